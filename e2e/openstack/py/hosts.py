"""hosts.py CLOUD: the conversion host of a cloud, running, reachable by SSH. The names are those OS Migrate gives."""
import sys

from guests import floating_ip, guest_image, host_key, keypair, routed_network, ssh, wait_ssh, write_env
from layout import CLOUDS, STATE


def main():
    place = CLOUDS[sys.argv[1]]
    name = f'os_migrate_conv_{place.name}'
    tenant = place.connect()
    key, known_hosts = STATE / f'conversion-{place.name}', STATE / f'conversion-{place.name}.known-hosts'
    # the administrator's: the tenant has no image that dst would need to have before the migration
    guest_image(place.connect(admin=True), 'os_migrate_conv', visibility='public')
    network = routed_network(tenant, ('os_migrate_conv', 'os_migrate_conv_subnet', 'os_migrate_conv_router'),
                             '192.168.10.0/24')
    keypair(tenant, 'os_migrate_conv', key)
    api = tenant.network
    group = api.find_security_group('os_migrate_conv')
    if not group:
        group = api.create_security_group(name='os_migrate_conv')
        api.create_security_group_rule(security_group_id=group.id, direction='ingress', ethertype='IPv4',
                                       protocol='tcp', port_range_min=22, port_range_max=22)
    server = tenant.compute.find_server(name)
    if server and server.status == 'ERROR':
        tenant.compute.delete_server(server)
        tenant.compute.wait_for_delete(server)
        server = None
    if not server:
        server = tenant.compute.create_server(
            name=name, image_id=tenant.image.find_image('os_migrate_conv').id,
            flavor_id=tenant.compute.find_flavor('m1.conv').id, key_name='os_migrate_conv',
            networks=[{'uuid': network.id}], security_groups=[{'name': 'os_migrate_conv'}], config_drive=True)
    if server.status == 'SHUTOFF':      # the machine was restarted under it
        tenant.compute.start_server(server)
    server = tenant.compute.wait_for_server(server, wait=300, interval=1)
    address = floating_ip(tenant, server)
    known_hosts.write_text(f'{address} {host_key(tenant, server)}\n')
    wait_ssh(address, key, known_hosts)
    print(f'{name}: {address}, up {ssh(address, key, known_hosts, "cat /proc/uptime").split()[0]} s', flush=True)
    side = place.name.upper()
    write_env(f'host-{place.name}', {
        f'OSM_E2E_{side}_HOST': f'ssh:{name},address={address},user=root,key={key},known-hosts={known_hosts}',
        f'OSM_E2E_{side}_HOST_ADDRESS': address,
        f'OSM_E2E_{side}_SHARE': place.share,
    })


main()
