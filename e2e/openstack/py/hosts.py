"""hosts.py image CLOUD: the image that conversion hosts boot from.
hosts.py env EVENTS: what a scenario must know of the hosts, from the JSON lines of `osm-cli hosts deploy`."""
import json
import sys

from guests import guest_image, write_env
from layout import CLOUDS


def image(place):
    # the administrator's: the tenant has no image that dst would need to have before the migration
    guest_image(place.connect(admin=True), 'os_migrate_conv', visibility='public')


def env(events):
    with open(events) as lines:
        ready = {event['host']: event['spec'] for event in map(json.loads, lines) if event['event'] == 'host_ready'}
    for place in CLOUDS.values():
        spec = ready[f'os_migrate_conv_{place.name}']
        options = dict(option.split('=', 1) for option in spec.split(',')[1:])
        side = place.name.upper()
        print(spec, flush=True)
        write_env(f'host-{place.name}', {
            f'OSM_E2E_{side}_HOST': spec,
            f'OSM_E2E_{side}_HOST_ADDRESS': options['address'],
            f'OSM_E2E_{side}_SHARE': place.share,
        })


if sys.argv[1] == 'image':
    image(CLOUDS[sys.argv[2]])
else:
    env(sys.argv[2])
