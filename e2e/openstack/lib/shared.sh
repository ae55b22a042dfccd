# shellcheck shell=bash
# What both clouds share: MariaDB, RabbitMQ, memcached, libvirtd, and the two shims of shims/.

# Cinder mounts its share with mount.nfs. Ours binds the directory instead: no NFS server, no kernel client.
install_mount_helper() {
  local target=/sbin/mount.nfs
  cmp -s "$E2E_CODE/shims/mount.nfs" $target && return
  if [ -e $target ]; then record_made "replaced $target"; cp -p $target "$E2E_DIR/mount.nfs.saved"
  else record_made "file $target"; fi
  install -m 755 "$E2E_CODE/shims/mount.nfs" $target
}

# libvirtd reads this one place only. Its own default would run guests as an unprivileged user who cannot read the
# state directory, with cgroups and a mount namespace that a container may not have.
install_qemu_conf() {
  local target=/etc/libvirt/qemu.conf
  cmp -s "$E2E_DIR/shared/qemu.conf" $target && return
  if ! grep -qxF "replaced $target" "$E2E_DIR/made" 2>/dev/null; then
    cp -p $target "$E2E_DIR/qemu.conf.saved"
    record_made "replaced $target"
  fi
  cp "$E2E_DIR/shared/qemu.conf" $target
}

start_shared() {
  local shared=$E2E_DIR/shared deadline
  install_mount_helper
  install_qemu_conf
  if [ ! -d "$shared/mysql/mysql" ]; then
    mariadb-install-db --defaults-file="$shared/my.cnf" --user=root --auth-root-authentication-method=socket \
      --skip-test-db >"$E2E_DIR/log/mariadb-install.log" 2>&1 || fail "mariadb-install-db, see log/mariadb-install.log"
  fi
  spawn mariadbd /usr/sbin/mariadbd --defaults-file="$shared/my.cnf"
  spawn memcached memcached -u nobody -l 127.0.0.1 -p "$MEMCACHED_PORT" -m 64 -t 1
  # RabbitMQ would start this itself, in the background, and leave it behind
  spawn epmd epmd -address 127.0.0.1 -port "$EPMD_PORT"
  spawn rabbitmq env -i HOME="$shared" PATH="$SYSTEM_PATH" LC_ALL=C.UTF-8 RABBITMQ_NODENAME=osm@localhost \
    RABBITMQ_MNESIA_BASE="$shared/mnesia" RABBITMQ_LOG_BASE="$E2E_DIR/log" \
    RABBITMQ_CONFIG_FILE="$shared/rabbitmq.conf" RABBITMQ_CONF_ENV_FILE="$shared/rabbitmq-env.conf" \
    RABBITMQ_ENABLED_PLUGINS_FILE="$shared/enabled_plugins" RABBITMQ_DIST_PORT="$RABBIT_CLUSTER_PORT" \
    ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="$EPMD_PORT" /usr/lib/rabbitmq/bin/rabbitmq-server
  spawn libvirtd /usr/sbin/libvirtd -f "$shared/libvirtd.conf" -p "$shared/libvirtd.pid"
  deadline=$((SECONDS + 60))
  until mariadb-admin --socket="$MYSQL_SOCKET" ping >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || fail "MariaDB does not answer, see log/mariadbd.log"
    sleep 0.2
  done
  wait_port rabbitmq 127.0.0.1 "$RABBIT_PORT"
}
