# shellcheck shell=bash
# The one image everything boots from, for the tenant's servers and the conversion hosts alike: 64 MiB with a FAT
# partition (syslinux, Debian's cloud kernel, an initramfs of busybox and OpenSSH's server) and an ext4 one (/data).
# A distribution's cloud image needs a minute and half a gigabyte to boot without KVM; this one needs five seconds.

GUEST_MODULES=(virtio_pci virtio_blk virtio_net ata_piix sr_mod isofs button evdev)

# What an initramfs program needs beside itself.
copy_with_libraries() {
  local root=$1 from=$2 to=$3 library
  install -D -m 755 "$from" "$root$to"
  LD_LIBRARY_PATH=$E2E_DIR/debs/root/lib/x86_64-linux-gnu:$E2E_DIR/debs/root/usr/lib/x86_64-linux-gnu ldd "$from" |
    grep -oE '/[^ ]+' | while read -r library; do
      # where the loader looks by default, wherever it was found here
      case $library in /lib64/*) install -D "$library" "$root$library" ;;
        *) install -D "$library" "$root/lib/x86_64-linux-gnu/${library##*/}" ;; esac
    done
}

guest_root() {
  local root=$1 kernel=$2 debs=$E2E_DIR/debs/root file module
  mkdir -p "$root"/{bin,sbin,proc,sys,dev,etc/acpi/PWRF,root,data,run/sshd,tmp,mnt,var/log,var/empty,usr/bin,usr/sbin}
  chmod 700 "$root/root"
  cp "$debs/bin/busybox" "$root/bin/busybox"
  copy_with_libraries "$root" "$debs/usr/sbin/sshd" /usr/sbin/sshd
  copy_with_libraries "$root" /usr/bin/ssh-keygen /usr/bin/ssh-keygen
  # for a program built on this machine, which is what the conversion hosts are given
  for file in libgcc_s.so.1 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1; do
    install -D "/lib/x86_64-linux-gnu/$file" "$root/lib/x86_64-linux-gnu/$file"
  done
  mkdir -p "$root/lib/modules/$kernel"
  depmod -b "$debs" "$kernel"     # an installed kernel package would have done it
  for module in "${GUEST_MODULES[@]}"; do
    modprobe -d "$debs" -S "$kernel" --show-depends "$module"
  done | awk '$1 == "insmod" {print $2}' | sort -u | while read -r file; do
    install -D -m 644 "$file" "$root/lib/modules/$kernel/${file##*/lib/modules/"$kernel"/}"
  done
  cp "$debs/lib/modules/$kernel"/modules.{order,builtin,builtin.modinfo} "$root/lib/modules/$kernel/"
  depmod -b "$root" "$kernel"
  printf '%s\n' "${GUEST_MODULES[@]}" >"$root/etc/modules"
  # sshd separates privileges into a user of this name
  printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'sshd:x:100:65534:sshd:/var/empty:/bin/false' >"$root/etc/passwd"
  printf '%s\n' 'root:*:19000:0:99999:7:::' 'sshd:*:19000:0:99999:7:::' >"$root/etc/shadow"
  printf '%s\n' 'root:x:0:' 'nogroup:x:65534:' >"$root/etc/group"
  echo 'passwd: files' >"$root/etc/nsswitch.conf"
  echo guest >"$root/etc/hostname"
  install -m 755 "$E2E_CODE/guest/init" "$root/init"
  install -m 755 "$E2E_CODE/guest/rc" "$root/etc/rc"
  install -m 755 "$E2E_CODE/guest/udhcpc" "$root/etc/udhcpc"
  install -m 644 "$E2E_CODE/guest/inittab" "$root/etc/inittab"
  install -D -m 600 "$E2E_CODE/guest/sshd_config" "$root/etc/ssh/sshd_config"
  # the power button, which is how Nova stops a server: without an answer it waits, then pulls the plug
  printf '#!/bin/sh\nexec /bin/poweroff\n' >"$root/etc/acpi/PWRF/00000080"
  chmod 755 "$root/etc/acpi/PWRF/00000080"
}

build_guest() {
  local work=$E2E_DIR/guest-build kernel stamp
  stamp=$(cat "$E2E_CODE"/guest/* "$E2E_CODE/lib/guest.sh" | sha256sum)
  [ "$(cat "$E2E_DIR/guest.stamp" 2>/dev/null)" != "$stamp" ] || return 0
  rm -rf "$work"; mkdir -p "$work/data"
  kernel=$(ls "$E2E_DIR/debs/root/lib/modules")
  guest_root "$work/root" "$kernel"
  (cd "$work/root" && find . -print0 | cpio -0 --quiet -o -H newc -R 0:0 | gzip -6) >"$work/initrd.gz"
  # sectors: FAT from 2048 for 40 MiB, ext4 from there to the end
  local disk=$work/disk fat=2048 data=83968 end=131072
  truncate -s $((end * 512)) "$disk"
  printf 'label: dos\nstart=%d,size=%d,type=6,bootable\nstart=%d,type=83\n' $fat $((data - fat)) $data | sfdisk -q "$disk"
  dd if=/usr/lib/syslinux/mbr/mbr.bin of="$disk" conv=notrunc status=none
  # the size is the partition's, which mkfs.vfat remarks on
  mkfs.vfat -F 16 -n GUEST --offset $fat "$disk" $(((data - fat) / 2)) >/dev/null 2>&1
  printf '%s\n' 'DEFAULT guest' 'PROMPT 0' 'TIMEOUT 0' 'LABEL guest' 'KERNEL vmlinuz' 'INITRD initrd.gz' \
    'APPEND console=ttyS0 quiet panic=5' >"$work/syslinux.cfg"
  export MTOOLS_SKIP_CHECK=1
  mcopy -i "$disk@@$((fat * 512))" "$E2E_DIR/debs/root/boot/vmlinuz-$kernel" ::vmlinuz
  mcopy -i "$disk@@$((fat * 512))" "$work/initrd.gz" "$work/syslinux.cfg" ::
  syslinux --install -t $((fat * 512)) "$disk"
  echo 'osm e2e guest' >"$work/data/marker"
  mke2fs -q -t ext4 -d "$work/data" -E offset=$((data * 512)) "$disk" $(((end - data) / 2))k
  mv "$disk" "$E2E_DIR/guest.raw"
  echo "$stamp" >"$E2E_DIR/guest.stamp"
  rm -rf "$work"
}
