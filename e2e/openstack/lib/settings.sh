# shellcheck shell=bash
# Names, addresses and paths that every other file of this directory uses, and how progress is printed.
# Sourced, never run. Python reads the same facts from the exported variables (py/layout.py).
# shellcheck disable=SC2034 # used by the files that source this one

E2E_CODE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
E2E_DIR=${OSM_E2E_DIR:-${TMPDIR:-/tmp}/osm-e2e}
mkdir -p "$E2E_DIR"
E2E_DIR=$(cd "$E2E_DIR" && pwd)   # absolute: it ends up in configuration files

CLOUDS=(src dst)
declare -A ADDRESS=([src]=127.0.0.11 [dst]=127.0.0.12)      # all APIs of a cloud, on their usual ports
declare -A EXTERNAL=([src]=172.24.4 [dst]=172.24.5)         # first three octets of the floating /24
declare -A PYTHON=([src]=/usr/bin/python3 [dst]=$E2E_DIR/venv/bin/python)
SYSTEM_PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
MYSQL_SOCKET=$E2E_DIR/shared/mysql.sock
LIBVIRT_SOCKET=$E2E_DIR/shared/libvirt/libvirt-sock
TOOLS=$E2E_DIR/venv/bin/python      # runs the set-up's own Python: it has openstacksdk for both clouds
E2E_PASSWORD=e2e-password           # of a cloud that listens on loopback and lives for minutes

# none of these is a default port: the machine may have daemons of its own
RABBIT_PORT=5673 RABBIT_CLUSTER_PORT=25673 EPMD_PORT=4370 MEMCACHED_PORT=11311

export RABBIT_PORT MEMCACHED_PORT E2E_DIR E2E_CODE E2E_PASSWORD MYSQL_SOCKET LIBVIRT_SOCKET
export E2E_SRC_ADDRESS=${ADDRESS[src]} E2E_DST_ADDRESS=${ADDRESS[dst]}
export E2E_SRC_EXTERNAL=${EXTERNAL[src]} E2E_DST_EXTERNAL=${EXTERNAL[dst]}
export LC_ALL=C.UTF-8 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
export OS_CLIENT_CONFIG_FILE=$E2E_DIR/clouds.yaml
E2E_STARTED=${E2E_STARTED:-$(date +%s)}; export E2E_STARTED

# The set-up installs packages, starts daemons as root and makes bridges and namespaces. Nobody wants that by
# accident, so it asks for a word that cannot be given by accident.
require_disposable() {
  if [ "${OSM_E2E_DISPOSABLE:-}" != 1 ]; then
    echo "refused: this changes the machine (packages, daemons, bridges, namespaces, /sbin/mount.nfs);" \
         "say OSM_E2E_DISPOSABLE=1 on a machine that may be thrown away" >&2
    exit 2
  fi
  if [ "$(id -u)" != 0 ]; then echo "refused: needs root" >&2; exit 2; fi
}

say() { printf '[%4ds] %s\n' $(($(date +%s) - E2E_STARTED)) "$*"; }
fail() { say "failed: $*" >&2; exit 1; }

# What cannot be had from the package registries is no failure of the project: 77 is what automake calls a skip.
skip() { echo "skipped: e2e openstack: $*"; exit 77; }

# phase WORDS... -- COMMAND...: say what is done, do it, say what it took, and keep the time for the summary.
phase() {
  local words=() began took
  while [ "$1" != -- ]; do words+=("$1"); shift; done; shift
  say "${words[*]} ..."
  began=$(date +%s)
  "$@"
  took=$(($(date +%s) - began))
  printf '%5d s  %s\n' "$took" "${words[*]}" >>"$E2E_DIR/timings"
  say "${words[*]}: ${took} s"
}

# What is made outside the state directory is written down before it is made, for `down` to undo.
record_made() { grep -qxF -- "$*" "$E2E_DIR/made" 2>/dev/null || echo "$*" >>"$E2E_DIR/made"; }
