# shellcheck shell=bash
# One cloud: its databases, its services.

# The environment is emptied because the caller's OS_* variables and Python paths would reach the services.
# PATH begins with the `sudo` shim: the services call rootwrap through sudo, and everything is root already.
service_env() {
  local cloud=$1
  SERVICE_ENV=(env -i HOME=/root LC_ALL=C.UTF-8 PATH="$E2E_CODE/shims:$(dirname "${PYTHON[$cloud]}"):$SYSTEM_PATH"
    OS_KEYSTONE_CONFIG_FILES="$E2E_DIR/$cloud/etc/keystone.conf" OS_PLACEMENT_CONFIG_DIR="$E2E_DIR/$cloud/etc/placement"
    "${PYTHON[$cloud]}" "$E2E_CODE/py/launch.py")
}

run_tool() { local cloud=$1 SERVICE_ENV; shift; service_env "$cloud"; nice "${SERVICE_ENV[@]}" "$@"; }
spawn_service() { local cloud=$1 name=$2 SERVICE_ENV; shift 2; service_env "$cloud"; spawn "$cloud-$name" "${SERVICE_ENV[@]}" "$@"; }

# The parts that depend on each other run in turn, the others side by side: importing a service costs seconds.
create_databases() {
  local cloud=$1 etc=$E2E_DIR/$1/etc log=$E2E_DIR/log/$1-databases name url=http://${ADDRESS[$1]}:5000/v3
  local jobs=() job failed=0     # a failed group says so in its log
  [ -e "$E2E_DIR/$cloud/databases-done" ] && return
  for name in keystone glance placement nova nova_api nova_cell0 neutron cinder; do
    echo "CREATE DATABASE IF NOT EXISTS ${cloud}_$name;" \
      "GRANT ALL ON ${cloud}_$name.* TO 'osm'@'localhost' IDENTIFIED BY '$E2E_PASSWORD';"
  done | mariadb --socket="$MYSQL_SOCKET"
  { set -e
    for name in fernet_setup credential_setup; do
      run_tool "$cloud" keystone keystone-manage --config-file "$etc/keystone.conf" $name --keystone-user root --keystone-group root
    done
    run_tool "$cloud" keystone keystone-manage --config-file "$etc/keystone.conf" db_sync
    run_tool "$cloud" keystone keystone-manage --config-file "$etc/keystone.conf" bootstrap --bootstrap-password "$E2E_PASSWORD" \
      --bootstrap-admin-url "$url" --bootstrap-internal-url "$url" --bootstrap-public-url "$url" --bootstrap-region-id RegionOne
    run_tool "$cloud" glance glance-manage --config-file "$etc/glance-api.conf" db_sync
    run_tool "$cloud" openstack-placement placement-manage --config-file "$etc/placement/placement.conf" db sync
  } >>"$log-identity.log" 2>&1 & jobs+=($!)
  { set -e
    run_tool "$cloud" nova nova-manage --config-file "$etc/nova.conf" api_db sync
    run_tool "$cloud" nova nova-manage --config-file "$etc/nova.conf" cell_v2 map_cell0 --database_connection \
      "mysql+pymysql://osm:$E2E_PASSWORD@localhost/${cloud}_nova_cell0?unix_socket=$MYSQL_SOCKET&charset=utf8"
    run_tool "$cloud" nova nova-manage --config-file "$etc/nova.conf" db sync
    run_tool "$cloud" nova nova-manage --config-file "$etc/nova.conf" cell_v2 create_cell --name cell1 ||
      [ $? = 2 ]     # there is such a cell: an earlier run got this far
    run_tool "$cloud" neutron neutron-db-manage --config-file "$etc/neutron.conf" upgrade heads
    run_tool "$cloud" cinder cinder-manage --config-file "$etc/cinder.conf" db sync
  } >>"$log-compute.log" 2>&1 & jobs+=($!)
  for job in "${jobs[@]}"; do wait "$job" || failed=1; done
  [ $failed = 0 ] || { tail -n 5 "$log"-*.log >&2; fail "$cloud: databases, see log/$cloud-databases-*.log"; }
  touch "$E2E_DIR/$cloud/databases-done"
}

# The external networks reach each other, as those of two sites would, and nothing beyond: what goes elsewhere ends here.
join_external() {
  local cloud=$1 bridge=osm-ext-$1 other
  for other in "${CLOUDS[@]}"; do
    [ "$other" = "$cloud" ] || { record_made "rule iif $bridge to ${EXTERNAL[$other]}.0/24 lookup main"
      ip rule add iif "$bridge" to "${EXTERNAL[$other]}.0/24" lookup main pref 1000; }
  done
  record_made "rule iif $bridge prohibit"
  ip rule add iif "$bridge" prohibit pref 1001
  sysctl -q "net.ipv4.conf.$bridge.forwarding=1"
}

start_identity() {
  local cloud=$1 bridge=osm-ext-$1
  if ! ip link show "$bridge" >/dev/null 2>&1; then
    record_made "link $bridge"
    ip link add "$bridge" type bridge
    ip address add "${EXTERNAL[$cloud]}.1/24" dev "$bridge"
    ip link set "$bridge" up
    join_external "$cloud"
  fi
  spawn_service "$cloud" keystone keystone keystone-wsgi-public "${ADDRESS[$cloud]}:5000" 8
  spawn_service "$cloud" placement openstack-placement placement-api "${ADDRESS[$cloud]}:8778" 4
}

# Nova's scheduler and conductor end when their service user does not exist, so this comes after bootstrap.py identity.
start_services() {
  local cloud=$1 etc=$E2E_DIR/$1/etc
  spawn_service "$cloud" glance glance glance-api --config-file "$etc/glance-api.conf"
  spawn_service "$cloud" neutron neutron neutron-server --config-file "$etc/neutron.conf"
  spawn_service "$cloud" nova-api nova nova-api --config-file "$etc/nova.conf"
  spawn_service "$cloud" nova-conductor nova nova-conductor --config-file "$etc/nova.conf"
  spawn_service "$cloud" nova-scheduler nova nova-scheduler --config-file "$etc/nova.conf"
  spawn_service "$cloud" cinder-api cinder cinder-api --config-file "$etc/cinder.conf"
  spawn_service "$cloud" cinder-scheduler cinder cinder-scheduler --config-file "$etc/cinder.conf"
  spawn_service "$cloud" cinder-volume cinder cinder-volume --config-file "$etc/cinder.conf"
}

# Their first act is a call to the servers above: started together they would only wait and retry.
start_agents() {
  local cloud=$1 etc=$E2E_DIR/$1/etc
  wait_port "$cloud-placement" "${ADDRESS[$cloud]}" 8778
  wait_port "$cloud-glance" "${ADDRESS[$cloud]}" 9292
  wait_port "$cloud-neutron" "${ADDRESS[$cloud]}" 9696
  wait_port "$cloud-nova-api" "${ADDRESS[$cloud]}" 8774
  wait_port "$cloud-cinder-api" "${ADDRESS[$cloud]}" 8776
  spawn_service "$cloud" nova-compute nova nova-compute --config-file "$etc/nova.conf"
  spawn_service "$cloud" linuxbridge neutron neutron-linuxbridge-agent --config-file "$etc/neutron.conf"
  spawn_service "$cloud" dhcp neutron neutron-dhcp-agent --config-file "$etc/neutron.conf"
  spawn_service "$cloud" l3 neutron neutron-l3-agent --config-file "$etc/neutron.conf"
}
