# shellcheck shell=bash
# Undoing what `up` did to the machine. Nothing here asks OpenStack to do it: after a crash there may be no OpenStack.

# Their QEMU processes are dead already; what is left is libvirt's files in /etc/libvirt/qemu. The names are those of
# instance_name_template.
remove_guests() {
  local virsh=(virsh -q -c "qemu+unix:///system?socket=$LIBVIRT_SOCKET") domain
  alive libvirtd || return 0
  for domain in $("${virsh[@]}" list --all --name 2>/dev/null | grep -E '^(src|dst)-[0-9a-f]{8}$'); do
    "${virsh[@]}" undefine "$domain" --nvram --snapshots-metadata >/dev/null 2>&1 || true
  done
}

# libvirt's guests and Neutron's dnsmasq outlive the daemons that started them. A process is ours when its command line
# names our state directory; only those two programs are looked for.
remove_left_processes() {
  local pid name
  for pid in /proc/[0-9]*; do
    read -r name 2>/dev/null <"$pid/comm" || continue
    case $name in qemu-system-* | dnsmasq | privsep-helper) ;; *) continue ;; esac
    if tr '\0' ' ' 2>/dev/null <"$pid/cmdline" | grep -qF "$E2E_DIR/"; then kill -KILL "${pid#/proc/}" 2>/dev/null || true; fi
  done
}

# Names only Neutron gives, less those that were here before `up`.
remove_network() {
  local kind name
  [ -e "$E2E_DIR/before" ] || return 0
  { ip netns list | awk '$1 ~ /^q(dhcp|router)-/ {print "netns", $1}'
    ip -o link | awk '{sub(/[@:].*/, "", $2); print "link", $2}' | grep -E '^link (brq|tap)[0-9a-f-]{11}$|^link vxlan-[12][0-9]{3}$'
  } | grep -vxFf "$E2E_DIR/before" | while read -r kind name; do
    case $kind in
      netns) ip netns delete "$name" || true ;;
      link) ip link delete "$name" 2>/dev/null || true ;;   # a tap goes with its namespace or its guest
    esac
  done
  # linuxbridge's protection against ARP spoofing, chains of these names in the table of the bridges
  local chain table=(ebtables --concurrent -t nat)
  command -v ebtables >/dev/null || return 0
  "${table[@]}" -L 2>/dev/null | sed -n 's/^Bridge chain: \(neutron[^,]*\),.*/\1/p' | while read -r chain; do
    "${table[@]}" -L PREROUTING 2>/dev/null | grep -F -- "-j $chain" | while read -r rule; do
      # shellcheck disable=SC2086 # the rule is words
      "${table[@]}" -D PREROUTING $rule || true
    done
    "${table[@]}" -F "$chain" || true
  done
  "${table[@]}" -L 2>/dev/null | sed -n 's/^Bridge chain: \(neutron[^,]*\),.*/\1/p' | while read -r chain; do
    "${table[@]}" -X "$chain" || true
  done
}

# Deepest first. A mount that stays would take the share's volumes with it when the directory is deleted.
remove_mounts() {
  local mount
  awk -v under="$E2E_DIR/" 'index($2, under) == 1 {print $2}' /proc/mounts | sort -r | while read -r mount; do
    umount "$mount" 2>/dev/null || umount -l "$mount"
  done
  ! awk -v under="$E2E_DIR/" 'index($2, under) == 1 {found = 1} END {exit !found}' /proc/mounts ||
    fail "something is still mounted under $E2E_DIR: nothing was deleted there"
}

remove_made() {
  local kind name
  [ -e "$E2E_DIR/made" ] || return 0
  while read -r kind name; do
    case $kind in
      link) ip link delete "$name" 2>/dev/null || true ;;
      file) rm -f "$name" ;;
      # shellcheck disable=SC2086 # the rule is words
      rule) ip rule delete $name 2>/dev/null || true ;;
      replaced) if [ -e "$E2E_DIR/${name##*/}.saved" ]; then cp -p "$E2E_DIR/${name##*/}.saved" "$name"; fi ;;
    esac
  done <"$E2E_DIR/made"
}
