"""What a conversion host and the tenant's server have in common: a network with a way out, an image, SSH to the guest."""
import os
import subprocess
import time

from layout import STATE

SSH_DEADLINE = 180


def routed_network(cloud, names, cidr):
    """A network, its subnet and a router with a gateway on `public`; `names` are those three names."""
    network_name, subnet_name, router_name = names
    api = cloud.network
    network = api.find_network(network_name) or api.create_network(name=network_name)
    subnet = api.find_subnet(subnet_name) or api.create_subnet(
        name=subnet_name, network_id=network.id, ip_version=4, cidr=cidr, dns_nameservers=['192.0.2.53'])
    if not api.find_router(router_name):
        public = api.find_network('public')
        router = api.create_router(name=router_name, external_gateway_info={'network_id': public.id})
        api.add_interface_to_router(router, subnet_id=subnet.id)
    return network


def keypair(cloud, name, path):
    """A keypair whose private half this machine keeps in `path`."""
    if not path.exists():
        subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', str(path)], check=True)
    if not cloud.compute.find_keypair(name):
        cloud.compute.create_keypair(name=name, public_key=path.with_suffix('.pub').read_text().strip())


def guest_image(cloud, name, **properties):
    """The guest of lib/guest.sh as an image."""
    image = cloud.image.find_image(name)
    if not image or image.status != 'active':
        if image:
            cloud.image.delete_image(image)     # an upload that was interrupted
        image = cloud.image.create_image(
            name=name, filename=str(STATE / 'guest.raw'), disk_format='raw', container_format='bare', min_disk=1,
            wait=True, allow_duplicates=True, use_import=False, **properties)
    return image


def floating_ip(cloud, server):
    """The server's floating IP, made when it has none."""
    port = next(iter(cloud.network.ports(device_id=server.id)))
    for address in cloud.network.ips(port_id=port.id):
        return address.floating_ip_address
    public = cloud.network.find_network('public')
    return cloud.network.create_ip(floating_network_id=public.id, port_id=port.id).floating_ip_address


def host_key(cloud, server):
    """The guest's SSH host key, as its console shows it: through Nova, so not from whoever answers on the network."""
    deadline = time.monotonic() + SSH_DEADLINE
    while time.monotonic() < deadline:
        text = (cloud.compute.get_server_console_output(server).get('output') or '').replace('\r', '')
        # the last one: a console log goes on over a restart
        _, found, rest = text.rpartition('-----BEGIN SSH HOST KEY KEYS-----\n')
        keys, ended, _ = rest.partition('-----END SSH HOST KEY KEYS-----')
        if found and ended:
            return ' '.join(keys.split()[:2])
        time.sleep(1)
    raise TimeoutError(f'{server.name}: no host key on the console after {SSH_DEADLINE} s')


def wait_ssh(address, key, known_hosts):
    """Waits until the guest lets us in."""
    deadline = time.monotonic() + SSH_DEADLINE
    while True:
        try:
            ssh(address, key, known_hosts, 'true')
            return
        except subprocess.SubprocessError as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f'root@{address}: no SSH after {SSH_DEADLINE} s: {error}') from error
        time.sleep(1)


def ssh(address, key, known_hosts, command, **options):
    """Runs a command in a guest and returns what it printed."""
    done = subprocess.run(
        ['ssh', '-i', str(key), '-o', f'UserKnownHostsFile={known_hosts}', '-o', 'StrictHostKeyChecking=yes',
         '-o', 'BatchMode=yes', '-o', 'ConnectTimeout=10', f'root@{address}', command],
        check=True, capture_output=True, text=True, timeout=60, env=os.environ | {'SSH_AUTH_SOCK': ''}, **options)
    return done.stdout


def write_env(name, values):
    """One fragment of the file that `env` puts together."""
    text = ''.join(f"export {key}='{value}'\n" for key, value in values.items())
    (STATE / f'{name}.env').write_text(text)
