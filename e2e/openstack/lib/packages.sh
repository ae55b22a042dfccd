# shellcheck shell=bash
# Everything that comes from a package registry: Debian's packages (cloud src, the shared daemons, what the guest
# image is made of) and the virtual environment of cloud dst.

# The python3-* packages bring the services' code alone: no users, no units, no debconf questions, no daemons.
APT_SERVICES=(python3-keystone python3-glance python3-placement python3-nova python3-neutron python3-cinder
  python3-pymysql python3-memcache python3-pymemcache python3-gunicorn python3-netifaces python3-libvirt python3-venv)
APT_DAEMONS=(mariadb-server mariadb-client rabbitmq-server memcached libvirt-daemon-system libvirt-clients)
APT_TOOLS=(qemu-utils iproute2 iptables ebtables ipset conntrack bridge-utils iputils-arping dnsmasq-base
  dnsmasq-utils genisoimage openssh-client)
APT_GUEST=(syslinux syslinux-common mtools dosfstools e2fsprogs fdisk cpio kmod)
# Unpacked into the state directory and never installed: the services' api-paste.ini files, and the guest's kernel,
# shell and SSH server. Installing those would make users, run an initramfs generator and start an sshd.
APT_UNPACKED=(nova-common neutron-common cinder-common glance-common busybox-static openssh-server libwrap0 libnsl2 libtirpc3)

apt_extra=()   # options naming a second source list, when one is needed (see qemu_packages)
apt() {
  DEBIAN_FRONTEND=noninteractive nice apt-get -qy "${apt_extra[@]}" -o DPkg::Lock::Timeout=900 \
    -o Dpkg::Options::=--force-unsafe-io -o Dpkg::Options::=--force-confold -o Acquire::Retries=3 "$@"
}

# Others may hold apt's locks; `update` does not wait for the lists' lock by itself.
retried() {
  local attempt
  for attempt in 1 2 3 4 5; do
    "$@" >>"$E2E_DIR/log/apt.log" 2>&1 && return 0
    say "attempt $attempt of '${*: -3}' failed, see log/apt.log"
    sleep $((attempt * 5))
  done
  return 1
}

# Debian's qemu-system packages and qemu-utils must be of one version: newer qemu-utils (a machine that has taken them
# from backports) break the stable qemu-system-common, and apt would answer by removing qemu-utils. So when the
# installed qemu-utils are of backports, QEMU comes from there, through a source list in the state directory made
# from the address the machine's own sources name.
qemu_packages() {
  local have suite uri
  have=$(dpkg-query -Wf '${Version}' qemu-utils 2>/dev/null) || true
  case $have in *~bpo*) ;; *) QEMU=(qemu-system-x86); return;; esac
  # shellcheck disable=SC2016 # the variables are apt's
  read -r uri suite < <(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk '$2 !~ /-/ && $3 == "main" {print $1, $2 "-backports"; exit}')
  [ -n "$suite" ] || skip "no Debian source for the QEMU that fits qemu-utils $have"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main" >"$E2E_DIR/backports.list"
  apt_extra=(-o "Dir::Etc::sourcelist=$E2E_DIR/backports.list")
  QEMU=("qemu-system-x86/$suite" "qemu-system-common/$suite" "qemu-system-data/$suite" "seabios/$suite")
}

apt_missing() { ! dpkg -s "${APT_SERVICES[@]}" "${APT_DAEMONS[@]}" "${APT_TOOLS[@]}" "${APT_GUEST[@]}" qemu-system-x86 >/dev/null 2>&1; }

install_apt() {
  command -v apt-get >/dev/null || skip "no apt-get on this machine"
  local policy=/usr/sbin/policy-rc.d ok=1 before
  if apt_missing; then
    qemu_packages
    # Without this the packages start a MariaDB, a RabbitMQ and a libvirtd of their own.
    if [ ! -e $policy ]; then
      record_made "file $policy"
      printf '#!/bin/sh\n# osm e2e: no daemon is started by a package\nexit 101\n' >$policy; chmod 755 $policy
    fi
    before=$(date +%s)
    retried apt update || ok=0
    apt --print-uris --no-install-recommends install "${APT_SERVICES[@]}" "${APT_DAEMONS[@]}" "${APT_TOOLS[@]}" \
      "${APT_GUEST[@]}" "${QEMU[@]}" 2>/dev/null |
      awk '/^.[a-z]+:/ {n++; s += $3} END {printf "Debian packages: %d files, %.0f MB\n", n, s / 1e6}' >>"$E2E_DIR/downloads" || true
    [ $ok = 1 ] && { retried apt --no-install-recommends install "${APT_SERVICES[@]}" "${APT_DAEMONS[@]}" \
      "${APT_TOOLS[@]}" "${APT_GUEST[@]}" "${QEMU[@]}" || ok=0; }
    if grep -qxF "file $policy" "$E2E_DIR/made" 2>/dev/null; then rm -f $policy; fi
    [ $ok = 1 ] || skip "apt could not install the Debian packages ($(grep -h '^E:' "$E2E_DIR/log/apt.log" | tail -1))"
    say "Debian packages: $(($(date +%s) - before)) s, $(tail -1 "$E2E_DIR/downloads")"
  fi
  unpack_debs
}

unpack_debs() {
  local kernel deb
  [ -e "$E2E_DIR/debs/done" ] && return
  mkdir -p "$E2E_DIR/debs/files" "$E2E_DIR/debs/root"
  # the metapackage follows the ABI number: ask it which kernel it means today
  kernel=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '$1 == "Depends:" {print $2; exit}')
  [ -n "$kernel" ] || { retried apt update; kernel=$(apt-cache depends linux-image-cloud-amd64 | awk '$1 == "Depends:" {print $2; exit}'); }
  (cd "$E2E_DIR/debs/files" && retried apt download "${APT_UNPACKED[@]}" "$kernel") || skip "apt could not download ${APT_UNPACKED[*]} $kernel"
  for deb in "$E2E_DIR"/debs/files/*.deb; do dpkg -x "$deb" "$E2E_DIR/debs/root"; done
  echo "unpacked Debian packages: $(du -sm "$E2E_DIR/debs/files" | cut -f1) MB" >>"$E2E_DIR/downloads"
  rm -rf "$E2E_DIR/debs/files"
  touch "$E2E_DIR/debs/done"
}

# dst-packages.txt is the whole closure with versions, so nothing has to be resolved: --no-deps. The few packages
# without a wheel are pure Python and build with the environment's own setuptools.
install_venv() {
  local venv=$E2E_DIR/venv pip log=$E2E_DIR/log/pip.log list=$E2E_CODE/dst-packages.txt
  cmp -s "$list" "$venv/done" && return 0     # this very list was installed to the end
  rm -rf "$venv"
  nice /usr/bin/python3 -m venv "$venv" >>"$log" 2>&1 || return 1
  if command -v uv >/dev/null; then pip=(uv pip install --python "$venv/bin/python")
  else pip=("$venv/bin/python" -m pip install --retries 5 --progress-bar off); fi
  nice "${pip[@]}" wheel==0.43.0 setuptools==66.1.1 >>"$log" 2>&1 || return 1
  nice "${pip[@]}" --no-deps --no-build-isolation -r "$list" >>"$log" 2>&1 || return 1
  echo "Python packages: $(sed -n 's/.*Downloading .*(\([0-9.]*\) \([kM]B\)).*/\1 \2/p' "$log" |
    awk '{s += $2 == "kB" ? $1 / 1000 : $1} END {printf "%d files, %.0f MB", NR, s}')" >>"$E2E_DIR/downloads"
  cp "$list" "$venv/done"
}

# Both need a compiler or libvirt's headers to build, and Debian has them for the very same Python.
link_debian_modules() {
  local site file
  site=$("$E2E_DIR/venv/bin/python" -c 'import site; print(site.getsitepackages()[0])')
  for file in /usr/lib/python3/dist-packages/{libvirt,netifaces}*; do ln -sfn "$file" "$site/${file##*/}"; done
}

# apt and pip wait for different things: side by side they take as long as the slower one.
install_packages() {
  local pip_pid='' pip_ok=0
  mkdir -p "$E2E_DIR/log"
  if /usr/bin/python3 -c 'import ensurepip' 2>/dev/null; then
    install_venv & pip_pid=$!
    # shellcheck disable=SC2064 # this pid; without its pip, which would go on after a skip, the subshell ends by itself
    trap "pkill -TERM -P $pip_pid 2>/dev/null || true" EXIT
  fi
  install_apt
  if [ -n "$pip_pid" ]; then wait "$pip_pid" && pip_ok=1; trap - EXIT; fi
  [ $pip_ok = 1 ] || install_venv || skip "pip could not install OpenStack 2024.2 ($(grep -h '^ERROR' "$E2E_DIR/log/pip.log" | tail -1))"
  link_debian_modules
}
