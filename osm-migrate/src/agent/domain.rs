//! The libvirt description of a guest, as virt-v2v reads it: its disks and its firmware.

use std::path::PathBuf;

/// A domain with these overlays as its disks.
pub(super) fn xml(name: &str, overlays: &[PathBuf], uefi: bool) -> String {
    let firmware = if uefi { " firmware='efi'" } else { "" };
    let disks: String = overlays
        .iter()
        .enumerate()
        .map(|(index, overlay)| {
            let (file, target) = (escaped(&overlay.display().to_string()), target(index));
            format!(
                "    <disk type='file' device='disk'>\n      <driver name='qemu' type='qcow2'/>\n      <source \
                 file='{file}'/>\n      <target dev='{target}' bus='scsi'/>\n    </disk>\n"
            )
        })
        .collect();
    format!(
        "<domain type='kvm'>\n  <name>{}</name>\n  <memory unit='KiB'>2097152</memory>\n  <vcpu>1</vcpu>\n  \
         <os{firmware}>\n    <type arch='x86_64'>hvm</type>\n  </os>\n  <features>\n    <acpi/>\n    <apic/>\n  \
         </features>\n  <devices>\n{disks}  </devices>\n</domain>\n",
        escaped(name)
    )
}

/// `sda`, `sdb`, ... `sdz`, `sdaa`.
fn target(index: usize) -> String {
    let letter = |number: usize| char::from(b'a' + u8::try_from(number % 26).unwrap_or(0));
    match index / 26 {
        0 => format!("sd{}", letter(index)),
        more => format!("sd{}{}", letter(more - 1), letter(index)),
    }
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\'' => safe.push_str("&apos;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_disk_has_its_place() {
        let text = xml("a & b", &["/var/tmp/it's/disk-0.qcow2".into(), "/x".into()], true);
        assert!(text.contains("<name>a &amp; b</name>") && text.contains("<os firmware='efi'>"), "{text}");
        assert!(text.contains("file='/var/tmp/it&apos;s/disk-0.qcow2'"), "{text}");
        assert!(text.contains("dev='sda'") && text.contains("dev='sdb'"), "{text}");
        assert_eq!((target(25), target(26), target(53)), ("sdz".into(), "sdaa".into(), "sdbb".into()));
    }
}
