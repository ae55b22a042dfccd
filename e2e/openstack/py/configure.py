"""Writes every configuration file: both clouds' services, the shared daemons, clouds.yaml. Overwrites what is there."""
import base64
import hashlib
import json
import shutil

from layout import CLOUDS, LIBVIRT_SOCKET, MEMCACHED_PORT, MYSQL_SOCKET, PASSWORD, RABBIT_PORT, STATE

ZERO_KEY = '0' * 64     # Castellan's fixed key; nothing here is encrypted


def write(path, text):
    """Writes one file, making its directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def ini(path, sections):
    """Writes oslo.config's dialect: {section: {option: value}}."""
    lines = []
    for section, options in sections.items():
        lines.append(f'[{section}]')
        lines += [f'{key} = {value}' for key, value in options.items()]
    write(path, '\n'.join(lines) + '\n')


def identity(cloud, user):
    """How one service speaks to Keystone on its own behalf."""
    return {'auth_url': f'http://{cloud.address}:5000', 'auth_type': 'password', 'username': user, 'password': PASSWORD,
            'project_name': 'service', 'project_domain_name': 'Default', 'user_domain_name': 'Default',
            'region_name': 'RegionOne'}


def token_check(cloud, user):
    """How one service checks its callers' tokens."""
    return identity(cloud, user) | {
        'www_authenticate_uri': f'http://{cloud.address}:5000', 'memcached_servers': f'127.0.0.1:{MEMCACHED_PORT}',
        'service_token_roles': 'service', 'service_token_roles_required': 'true'}


def messaging(cloud, service):
    """The sections every service with RPC has."""
    return {
        'DEFAULT': {
            'host': f'{cloud.name}-node', 'my_ip': cloud.address, 'state_path': cloud.dir / service,
            'transport_url': f'rabbit://osm:{PASSWORD}@127.0.0.1:{RABBIT_PORT}/{cloud.name}',
            'log_date_format': '%H:%M:%S', 'use_stderr': 'True',
            # two cores run everything: an answer may take its time
            'rpc_response_timeout': 120},
        'oslo_concurrency': {'lock_path': cloud.dir / service / 'lock'},
        'oslo_messaging_rabbit': {'rabbit_quorum_queue': 'False', 'heartbeat_timeout_threshold': 120},
        'oslo_messaging_notifications': {'driver': 'noop'},
    }


def keystone(cloud):
    ini(cloud.etc / 'keystone.conf', {
        'DEFAULT': {'log_date_format': '%H:%M:%S', 'use_stderr': 'True'},
        'database': {'connection': cloud.database('keystone')},
        'token': {'provider': 'fernet', 'expiration': 14400},
        'fernet_tokens': {'key_repository': cloud.dir / 'keystone/fernet'},
        'credential': {'key_repository': cloud.dir / 'keystone/credential'},
        'cache': {'enabled': 'True', 'backend': 'dogpile.cache.memory'},
    })


def placement(cloud):
    # a directory of its own: Placement looks for `placement.conf` in OS_PLACEMENT_CONFIG_DIR
    ini(cloud.etc / 'placement/placement.conf', {
        'DEFAULT': {'use_stderr': 'True'},
        'api': {'auth_strategy': 'keystone'},
        'placement_database': {'connection': cloud.database('placement')},
        'keystone_authtoken': token_check(cloud, 'placement'),
    })


def glance(cloud):
    home = cloud.dir / 'glance'
    ini(cloud.etc / 'glance-api.conf', {
        'DEFAULT': {
            'bind_host': cloud.address, 'bind_port': 9292, 'workers': 0, 'log_date_format': '%H:%M:%S',
            'use_stderr': 'True', 'enabled_backends': 'file:file', 'image_cache_dir': home / 'cache',
            'enabled_import_methods': '[glance-direct,web-download,copy-image]',
            'worker_self_reference_url': f'http://{cloud.address}:9292'},
        'database': {'connection': cloud.database('glance')},
        'glance_store': {'default_backend': 'file'},
        'file': {'filesystem_store_datadir': home / 'images'},
        'os_glance_staging_store': {'filesystem_store_datadir': home / 'staging'},
        'os_glance_tasks_store': {'filesystem_store_datadir': home / 'tasks'},
        'paste_deploy': {'flavor': 'keystone', 'config_file': cloud.etc / 'glance-api-paste.ini'},
        'oslo_concurrency': {'lock_path': home / 'lock'},
        'keystone_authtoken': token_check(cloud, 'glance'),
    })


def nova(cloud):
    conf = messaging(cloud, 'nova')
    conf['DEFAULT'] |= {
        'compute_driver': 'libvirt.LibvirtDriver', 'instances_path': cloud.dir / 'nova/instances',
        # both nova-computes define their domains in one libvirtd
        'instance_name_template': f'{cloud.name}-%08x',
        'enabled_apis': 'osapi_compute', 'osapi_compute_listen': cloud.address, 'osapi_compute_workers': 1,
        'vif_plugging_is_fatal': 'False', 'vif_plugging_timeout': 20,
        'force_config_drive': 'True',       # there is no metadata service
        'resume_guests_state_on_host_boot': 'True', 'shutdown_timeout': 10,
        'cpu_allocation_ratio': 32, 'ram_allocation_ratio': 4, 'disk_allocation_ratio': 10,
        'block_device_allocate_retries': 600, 'block_device_allocate_retries_interval': 1}
    conf |= {
        'api_database': {'connection': cloud.database('nova_api')},
        'database': {'connection': cloud.database('nova')},
        'api': {'auth_strategy': 'keystone'},
        'wsgi': {'api_paste_config': cloud.etc / 'nova-api-paste.ini'},
        'conductor': {'workers': 1},
        'scheduler': {'workers': 1, 'discover_hosts_in_cells_interval': 15},
        'vnc': {'enabled': 'False'},
        'glance': {'api_servers': f'http://{cloud.address}:9292'},
        'cinder': {'os_region_name': 'RegionOne', 'catalog_info': 'volumev3:cinderv3:publicURL'},
        'key_manager': {'backend': 'nova.keymgr.conf_key_mgr.ConfKeyManager', 'fixed_key': ZERO_KEY},
        'workarounds': {'disable_rootwrap': 'True'},
        'libvirt': {
            # plain emulation: nested KVM is absent from most CI machines, and hangs on some that offer it
            'virt_type': 'qemu', 'cpu_mode': 'none', 'hw_machine_type': 'x86_64=pc', 'images_type': 'qcow2',
            'inject_partition': -2, 'swtpm_enabled': 'False', 'nfs_mount_point_base': cloud.dir / 'nova/mnt',
            'connection_uri': f'qemu+unix:///system?socket={LIBVIRT_SOCKET}'},
        'neutron': identity(cloud, 'neutron') | {'service_metadata_proxy': 'False'},
        'placement': identity(cloud, 'placement'),
        'service_user': identity(cloud, 'nova') | {'send_service_user_token': 'True'},
        'keystone_authtoken': token_check(cloud, 'nova'),
    }
    ini(cloud.etc / 'nova.conf', conf)


def neutron(cloud):
    conf = messaging(cloud, 'neutron')
    conf['DEFAULT'] |= {
        'bind_host': cloud.address,
        # 2024.2 refuses api_workers = 0, and serves no agents with rpc_workers = 0
        'api_workers': 1, 'rpc_workers': 1,
        'core_plugin': 'ml2', 'service_plugins': 'router', 'api_paste_config': cloud.etc / 'neutron-api-paste.ini',
        'dhcp_agents_per_network': 1, 'notify_nova_on_port_status_changes': 'True',
        'notify_nova_on_port_data_changes': 'True', 'interface_driver': 'linuxbridge',
        'dhcp_driver': 'neutron.agent.linux.dhcp.Dnsmasq', 'enable_isolated_metadata': 'False',
        'enable_metadata_proxy': 'False', 'agent_down_time': 150,
        'router_scheduler_driver': 'neutron.scheduler.l3_agent_scheduler.LeastRoutersScheduler'}
    agent = {'root_helper': 'sudo', 'report_interval': 30}     # the shim: everything runs as root already
    conf |= {
        'experimental': {'linuxbridge': 'True'},    # since 2023.1 linuxbridge must be asked for in so many words
        'database': {'connection': cloud.database('neutron')},
        'AGENT': agent, 'agent': agent,             # the two releases read different spellings
        'quotas': {'quota_network': 1000, 'quota_subnet': 1000, 'quota_port': 5000, 'quota_router': 100,
                   'quota_floatingip': 500, 'quota_security_group': 500, 'quota_security_group_rule': 5000},
        'ml2': {'type_drivers': 'flat,vlan,vxlan,local', 'tenant_network_types': 'vxlan',
                'mechanism_drivers': 'linuxbridge', 'extension_drivers': 'port_security'},
        'ml2_type_flat': {'flat_networks': 'public'},
        'ml2_type_vxlan': {'vni_ranges': cloud.vnis},
        'ml2_type_vlan': {'network_vlan_ranges': 'public:100:199'},
        'linux_bridge': {'bridge_mappings': f'public:{cloud.bridge}'},
        'vxlan': {'enable_vxlan': 'True', 'local_ip': f'{cloud.external}.1', 'l2_population': 'False',
                  'udp_dstport': 4789},
        # groups and rules are API objects here, not filters: the scenarios compare them, nobody attacks the guests
        'securitygroup': {'firewall_driver': 'noop', 'enable_security_group': 'True', 'enable_ipset': 'False'},
        'nova': identity(cloud, 'nova'),
        'placement': identity(cloud, 'placement'),
        'keystone_authtoken': token_check(cloud, 'neutron'),
    }
    ini(cloud.etc / 'neutron.conf', conf)


def cinder(cloud):
    conf = messaging(cloud, 'cinder')
    conf['DEFAULT'] |= {
        'enabled_backends': 'nfs', 'default_volume_type': 'nfs', 'auth_strategy': 'keystone',
        'osapi_volume_listen': cloud.address, 'osapi_volume_workers': 1,
        'api_paste_config': cloud.etc / 'cinder-api-paste.ini',
        'resource_query_filters_file': cloud.etc / 'resource_filters.json',
        'glance_api_servers': f'http://{cloud.address}:9292',
        'image_conversion_dir': cloud.dir / 'cinder/conversion', 'allowed_direct_url_schemes': '',
        'quota_volumes': 500, 'quota_snapshots': 500, 'quota_gigabytes': 100000}
    conf |= {
        'nfs': {
            'volume_driver': 'cinder.volume.drivers.nfs.NfsDriver', 'volume_backend_name': 'nfs',
            'nfs_shares_config': cloud.etc / 'nfs_shares', 'nfs_mount_point_base': cloud.dir / 'cinder/mnt',
            # raw files: a test reads a volume's bytes from the share; qcow2 appears only above a snapshot
            'nfs_snapshot_support': 'True', 'nfs_qcow2_volumes': 'False',
            'nas_secure_file_operations': 'False', 'nas_secure_file_permissions': 'False',
            'max_over_subscription_ratio': 50},
        'database': {'connection': cloud.database('cinder')},
        'coordination': {'backend_url': f'file://{cloud.dir}/cinder/coord'},
        'key_manager': {'backend': 'cinder.keymgr.conf_key_mgr.ConfKeyManager', 'fixed_key': ZERO_KEY},
        'nova': identity(cloud, 'nova'),
        'service_user': identity(cloud, 'cinder') | {'send_service_user_token': 'True'},
        'keystone_authtoken': token_check(cloud, 'cinder'),
    }
    ini(cloud.etc / 'cinder.conf', conf)
    write(cloud.etc / 'nfs_shares', f'127.0.0.1:{cloud.share}\n')


def packaged_files(cloud):
    """The API pipelines, as each release ships them: Debian in its *-common packages, the index in etc/."""
    names = {'nova': 'api-paste.ini', 'neutron': 'api-paste.ini', 'cinder': 'api-paste.ini',
             'glance': 'glance-api-paste.ini'}
    for service, name in names.items():
        if cloud.name == 'src':
            origin = STATE / f'debs/root/usr/share/{service}-common' / name
        else:
            origin = STATE / 'venv/etc' / service / name
        shutil.copy(origin, cloud.etc / (name if service == 'glance' else f'{service}-{name}'))
    etc = STATE / ('debs/root/etc/cinder' if cloud.name == 'src' else 'venv/etc/cinder')
    shutil.copy(etc / 'resource_filters.json', cloud.etc)


def directories(cloud):
    for path in ('etc/placement', 'nova/instances', 'nova/lock', 'neutron/lock', 'cinder/lock', 'cinder/coord',
                 'cinder/conversion', 'cinder/mnt', 'glance/images', 'glance/staging', 'glance/tasks', 'glance/lock',
                 'keystone', 'share'):
        (cloud.dir / path).mkdir(parents=True, exist_ok=True)


def clouds_yaml():
    clouds = {}
    for cloud in CLOUDS.values():
        for name, user in ((cloud.name, 'tenant'), (f'{cloud.name}-admin', 'admin')):
            clouds[name] = {
                'auth': {'auth_url': f'http://{cloud.address}:5000/v3', 'username': user, 'password': PASSWORD,
                         'project_name': user, 'user_domain_name': 'Default', 'project_domain_name': 'Default'},
                'region_name': 'RegionOne', 'interface': 'public', 'identity_api_version': '3'}
    # JSON is YAML: no YAML writer is needed
    write(STATE / 'clouds.yaml', json.dumps({'clouds': clouds}, indent=2) + '\n')


def mariadb(shared):
    ini(shared / 'my.cnf', {'mysqld': {
        'user': 'root', 'datadir': shared / 'mysql', 'socket': MYSQL_SOCKET, 'pid-file': shared / 'mysqld.pid',
        'skip-networking': 1, 'skip-name-resolve': 1, 'skip-log-bin': 1, 'max_connections': 800,
        # the data live for minutes: no effort to survive a power cut
        'innodb_flush_log_at_trx_commit': 0, 'innodb_doublewrite': 0, 'innodb_flush_method': 'nosync',
        'innodb_buffer_pool_size': '192M', 'innodb_log_file_size': '64M', 'performance_schema': 'OFF',
        # Zed's migrations make keys that are too long in four-byte UTF-8
        'character-set-server': 'utf8mb3'}})


def rabbitmq(shared):
    salt = b'osm!'
    digest = base64.b64encode(salt + hashlib.sha256(salt + PASSWORD.encode()).digest()).decode()
    write(shared / 'rabbit.json', json.dumps({
        'users': [{'name': 'osm', 'password_hash': digest, 'hashing_algorithm': 'rabbit_password_hashing_sha256',
                   'tags': 'administrator'}],
        'vhosts': [{'name': name} for name in CLOUDS],
        'permissions': [{'user': 'osm', 'vhost': name, 'configure': '.*', 'write': '.*', 'read': '.*'}
                        for name in CLOUDS]}))
    write(shared / 'rabbitmq.conf', f'''listeners.tcp.default = 127.0.0.1:{RABBIT_PORT}
load_definitions = {shared}/rabbit.json
vm_memory_high_watermark.absolute = 512MiB
disk_free_limit.absolute = 200MB
log.console = true
log.console.level = warning
''')
    # Erlang's schedulers spin while idle, which two cores cannot spare
    write(shared / 'rabbitmq-env.conf', 'SERVER_ADDITIONAL_ERL_ARGS="+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"\n')
    write(shared / 'enabled_plugins', '[].\n')


def libvirt(shared):
    socket_dir = LIBVIRT_SOCKET.rpartition('/')[0]
    write(shared / 'libvirtd.conf',
          f'unix_sock_dir = "{socket_dir}"\nauth_unix_ro = "none"\nauth_unix_rw = "none"\n')
    (shared / 'libvirt').mkdir(exist_ok=True)
    # goes to /etc/libvirt/qemu.conf, which libvirtd reads and nothing can move (lib/shared.sh puts it there)
    write(shared / 'qemu.conf', '''user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
''')


def main():
    shared = STATE / 'shared'
    shared.mkdir(exist_ok=True)
    for cloud in CLOUDS.values():
        directories(cloud)
        packaged_files(cloud)
        for service in (keystone, placement, glance, nova, neutron, cinder):
            service(cloud)
    clouds_yaml()
    mariadb(shared)
    rabbitmq(shared)
    libvirt(shared)


main()
