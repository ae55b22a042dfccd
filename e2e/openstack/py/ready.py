"""ready.py CLOUD: waits until compute, block storage and the network agents of a cloud have reported in."""
import datetime
import sys
import time
from pathlib import Path

from layout import CLOUDS, STATE

DEADLINE = 180


def dead_daemons():
    """The daemons with a pid file and no process: no waiting will bring them up."""
    dead = []
    for path in sorted((STATE / 'run').glob('*.pid')):
        pid = path.read_text().split()[0]
        if not Path('/proc', pid).exists():
            dead.append(path.stem)
    return dead


def missing(cloud, admin):
    """What has not reported yet."""
    # 'up' stays true for a minute after a death: only a report later than this very process counts
    started = (STATE / f'run/{cloud.name}-nova-compute.pid').stat().st_mtime

    def fresh(service):
        when = datetime.datetime.fromisoformat(service.updated_at[:19]).replace(tzinfo=datetime.timezone.utc)
        return when.timestamp() >= started - 1

    found = []
    if not any(s.binary == 'nova-compute' and s.state == 'up' and s.updated_at and fresh(s)
               for s in admin.compute.services()):
        found.append('nova-compute')
    # listed only once the scheduler has mapped the host to the cell: before that every boot says "no valid host"
    if not any(h.hypervisor_type == 'QEMU' for h in admin.compute.hypervisors(details=True)):
        found.append('hypervisor')
    if not any(s.binary == 'cinder-volume' and s.state == 'up' for s in admin.block_storage.services()):
        found.append('cinder-volume')
    if sum(1 for a in admin.network.agents() if a.is_alive) < 3:
        found.append('network agents')
    return found


def main():
    cloud = CLOUDS[sys.argv[1]]
    admin = cloud.connect(admin=True)
    began = time.monotonic()
    while True:
        if dead := dead_daemons():
            sys.exit(f'{cloud.name}: ended: {", ".join(dead)}; see {STATE}/log')
        try:
            waiting = missing(cloud, admin)
        except Exception as error:  # noqa: BLE001 -- whatever an API answers while it starts, the deadline decides
            waiting = [repr(error)[:200]]
        if not waiting:
            return
        if time.monotonic() - began > DEADLINE:
            sys.exit(f'{cloud.name}: not ready after {DEADLINE} s: {", ".join(waiting)}; see {STATE}/log')
        time.sleep(1)


main()
