"""Where things are: the facts of lib/settings.sh, as Python sees them, and the connections made from them."""
import os
from dataclasses import dataclass
from pathlib import Path

STATE = Path(os.environ['E2E_DIR'])
PASSWORD = os.environ['E2E_PASSWORD']
MYSQL_SOCKET = os.environ['MYSQL_SOCKET']
LIBVIRT_SOCKET = os.environ['LIBVIRT_SOCKET']
RABBIT_PORT, MEMCACHED_PORT = int(os.environ['RABBIT_PORT']), int(os.environ['MEMCACHED_PORT'])


@dataclass(frozen=True)
class Cloud:
    """One of the two clouds."""
    name: str
    address: str
    external: str      # first three octets of its floating /24
    vnis: str          # VXLAN numbers; both clouds share one kernel, so they must not overlap

    @property
    def dir(self):
        """Everything this cloud keeps on disk."""
        return STATE / self.name

    @property
    def etc(self):
        """Its configuration files."""
        return self.dir / 'etc'

    @property
    def share(self):
        """The directory its Cinder exports: one plain file for each volume."""
        return self.dir / 'share'

    @property
    def bridge(self):
        """The bridge of its external network, which this machine has an address on."""
        return f'osm-ext-{self.name}'

    def database(self, service):
        """The SQLAlchemy address of one service's database."""
        return (f'mysql+pymysql://osm:{PASSWORD}@localhost/{self.name}_{service}'
                f'?unix_socket={MYSQL_SOCKET}&charset=utf8')

    def connect(self, admin=False):
        """An openstacksdk connection, as the tenant or as the administrator."""
        import openstack    # not needed, and slow to import, when only files are written
        return openstack.connect(cloud=self.name + ('-admin' if admin else ''))


CLOUDS = {
    'src': Cloud('src', os.environ['E2E_SRC_ADDRESS'], os.environ['E2E_SRC_EXTERNAL'], '1001:1999'),
    'dst': Cloud('dst', os.environ['E2E_DST_ADDRESS'], os.environ['E2E_DST_EXTERNAL'], '2001:2999'),
}
