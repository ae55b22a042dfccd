"""bootstrap.py CLOUD identity|resources: what an administrator gives a new cloud. Looks before it creates.

`identity` needs Keystone alone: users, roles, the catalogue. `resources` needs all services: the external network, the
flavors, the volume type, the tenant's quotas. The two clouds get the same names, which is what a migration expects.
"""
import sys

from layout import CLOUDS, PASSWORD

FLAVORS = (('m1.tiny', 256, 1), ('m1.small', 512, 2), ('m1.conv', 1024, 4))    # name, MiB of memory, GiB of disk


def identity(cloud):
    keystone = cloud.connect(admin=True).identity
    roles = {role.name: role for role in keystone.roles()}
    for name in ('admin', 'member', 'reader', 'service'):
        if name not in roles:
            roles[name] = keystone.create_role(name=name)

    def project(name):
        return keystone.find_project(name) or keystone.create_project(name=name, domain_id='default')

    def user(name, in_project, *role_names):
        found = keystone.find_user(name) or keystone.create_user(name=name, domain_id='default', password=PASSWORD)
        for role in role_names:
            keystone.assign_project_role_to_user(in_project, found, roles[role])

    service = project('service')
    for name in ('glance', 'placement', 'nova', 'neutron', 'cinder'):
        user(name, service, 'admin', 'service')
    user('tenant', project('tenant'), 'member', 'reader')

    address = f'http://{cloud.address}'
    known = {entry.type: entry for entry in keystone.services()}
    urls = {(end.service_id, end.interface) for end in keystone.endpoints()}
    for kind, name, url in (
            ('image', 'glance', f'{address}:9292'),
            ('placement', 'placement', f'{address}:8778'),
            ('compute', 'nova', f'{address}:8774/v2.1'),
            ('network', 'neutron', f'{address}:9696'),
            # clients ask for Cinder by its old name or its new one
            ('volumev3', 'cinderv3', f'{address}:8776/v3/$(project_id)s'),
            ('block-storage', 'cinder', f'{address}:8776/v3/$(project_id)s')):
        entry = known.get(kind) or keystone.create_service(type=kind, name=name)
        for interface in ('public', 'internal', 'admin'):
            if (entry.id, interface) not in urls:
                keystone.create_endpoint(service_id=entry.id, interface=interface, url=url, region_id='RegionOne')


def resources(cloud):
    admin = cloud.connect(admin=True)
    net = cloud.external
    if not admin.network.find_network('public'):
        public = admin.network.create_network(name='public', is_router_external=True, provider_network_type='flat',
                                              provider_physical_network='public')
        admin.network.create_subnet(name='public-subnet', network_id=public.id, ip_version=4, cidr=f'{net}.0/24',
                                    gateway_ip=f'{net}.1', is_dhcp_enabled=False,
                                    allocation_pools=[{'start': f'{net}.100', 'end': f'{net}.250'}])
    for name, ram, disk in FLAVORS:
        if not admin.compute.find_flavor(name):
            admin.compute.create_flavor(name=name, ram=ram, vcpus=1, disk=disk)
    if not admin.block_storage.find_type('nfs'):
        admin.block_storage.create_type(name='nfs', extra_specs={'volume_backend_name': 'nfs'})
    tenant = admin.identity.find_project('tenant')
    admin.compute.put(f'/os-quota-sets/{tenant.id}',
                      json={'quota_set': {'cores': -1, 'instances': -1, 'ram': -1}})


{'identity': identity, 'resources': resources}[sys.argv[2]](CLOUDS[sys.argv[1]])
