"""tenant.py: the tenant that a scenario moves from src to dst, with bytes that can be told from any others."""
import random
import subprocess

from guests import floating_ip, guest_image, host_key, keypair, routed_network, ssh, wait_ssh, write_env
from layout import CLOUDS, STATE

GIB = 1 << 30
SERVER, BOOT, DATA = 'tenant-server', 'tenant-boot', 'tenant-data'
KEY, KNOWN_HOSTS = STATE / 'tenant-key', STATE / 'tenant-server.known-hosts'


def security_group(tenant):
    """Rules of several shapes: a port, a range, a protocol without ports, members of the group itself."""
    api = tenant.network
    if api.find_security_group('tenant-web'):
        return
    group = api.create_security_group(name='tenant-web', description='What the web server answers')
    anywhere = {'direction': 'ingress', 'ethertype': 'IPv4', 'remote_ip_prefix': '0.0.0.0/0'}
    for rule in (anywhere | {'protocol': 'tcp', 'port_range_min': 22, 'port_range_max': 22},
                 anywhere | {'protocol': 'tcp', 'port_range_min': 8000, 'port_range_max': 8099},
                 anywhere | {'protocol': 'icmp'},
                 {'direction': 'ingress', 'ethertype': 'IPv4', 'remote_group_id': group.id}):
        api.create_security_group_rule(security_group_id=group.id, **rule)


def volume(tenant, name, **options):
    """A 1 GiB volume and whether it was made just now."""
    storage = tenant.block_storage
    found = storage.find_volume(name)
    made = found is None or found.status == 'error'
    if made:
        found = storage.create_volume(name=name, size=1, **options)
    if made or found.status == 'creating':
        found = storage.wait_for_status(found, 'available', failures=['error'], interval=1, wait=300)
    return found, made


def scatter(path):
    """Random bytes at odd places: both ends, across block and request boundaries, small islands in large holes."""
    source = random.Random(2024)    # the same each time, so that two runs can be compared
    spots = [(0, 1 << 20), ((4 << 20) - 300, 700), (GIB - 65536, 65536)]
    spots += [(source.randrange(8 << 20, GIB - (9 << 20)), source.choice((1, 511, 4096, 65537, 1 << 20)))
              for _ in range(48)]
    with open(path, 'r+b') as file:
        for offset, length in spots:
            file.seek(offset)
            file.write(source.randbytes(length))


def main():
    place = CLOUDS['src']
    tenant = place.connect()
    network = routed_network(tenant, ('tenant-net', 'tenant-subnet', 'tenant-router'), '10.20.0.0/24')
    security_group(tenant)
    keypair(tenant, 'tenant-key', KEY)
    image = guest_image(tenant, 'tenant-guest', hw_disk_bus='virtio', os_type='linux')
    boot, _ = volume(tenant, BOOT, image_id=image.id, description='The root disk')
    data, made = volume(tenant, DATA, description='Where the work is', metadata={'purpose': 'data'})
    expected = STATE / 'tenant-data.expected'
    if made or not expected.exists():
        path = place.share / f'volume-{data.id}'    # nobody has it open yet
        scatter(path)
        subprocess.run(['cp', '--sparse=always', str(path), str(expected)], check=True)
    server = tenant.compute.find_server(SERVER)
    if not server:
        server = tenant.compute.create_server(
            name=SERVER, flavor_id=tenant.compute.find_flavor('m1.tiny').id, key_name='tenant-key',
            networks=[{'uuid': network.id}], security_groups=[{'name': 'tenant-web'}], config_drive=True,
            metadata={'role': 'web'},
            block_device_mapping=[
                {'boot_index': index, 'uuid': disk.id, 'source_type': 'volume', 'destination_type': 'volume',
                 'delete_on_termination': False} for index, disk in ((0, boot), (-1, data))])
    if server.status == 'SHUTOFF':
        tenant.compute.start_server(server)
    server = tenant.compute.wait_for_server(server, wait=300, interval=1)
    address = floating_ip(tenant, server)
    KNOWN_HOSTS.write_text(f'{address} {host_key(tenant, server)}\n')
    wait_ssh(address, KEY, KNOWN_HOSTS)
    marker = 'the tenant was here'
    ssh(address, KEY, KNOWN_HOSTS, f"echo '{marker}' >/data/marker && sync")
    disks = ssh(address, KEY, KNOWN_HOSTS, 'cd /sys/block && grep . vd*/serial').split()
    print(f'{SERVER}: {address}, disks {" ".join(disks)}', flush=True)
    write_env('tenant', {
        'OSM_E2E_NETWORK': 'tenant-net', 'OSM_E2E_SUBNET': 'tenant-subnet', 'OSM_E2E_ROUTER': 'tenant-router',
        'OSM_E2E_SECURITY_GROUP': 'tenant-web', 'OSM_E2E_KEYPAIR': 'tenant-key', 'OSM_E2E_IMAGE': 'tenant-guest',
        'OSM_E2E_SERVER': SERVER, 'OSM_E2E_SERVER_ID': server.id, 'OSM_E2E_SERVER_ADDRESS': address,
        'OSM_E2E_SERVER_KEY': KEY, 'OSM_E2E_SERVER_KNOWN_HOSTS': KNOWN_HOSTS,
        'OSM_E2E_BOOT_VOLUME': BOOT, 'OSM_E2E_BOOT_VOLUME_ID': boot.id,
        'OSM_E2E_DATA_VOLUME': DATA, 'OSM_E2E_DATA_VOLUME_ID': data.id, 'OSM_E2E_DATA_EXPECTED': expected,
        'OSM_E2E_MARKER_PATH': '/data/marker', 'OSM_E2E_MARKER': marker,
    })


main()
