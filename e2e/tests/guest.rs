//! A guest that lives: the disk of a Debian made for VMware is seeded, follows its guest, and is cut over with the real
//! virt-v2v-in-place. What the server has then boots from virtio, which the source's disk does not.
//!
//! Takes minutes, so it wants to be asked: `OSM_E2E_GUEST` names the disk, which `e2e/vmware/guest/make` makes. Needs
//! virt-v2v, QEMU, debugfs and lsinitramfs, and no KVM.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod machines;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use machines::*;
use osm_lab::vcenter::{DiskSeed, MachineSeed, VCenter, VCenterOptions};

const GIB: u64 = 1 << 30;

/// Where its root is on the disk, and how long a block of it.
const ROOT: u64 = MIB;
const BLOCK: u64 = 4096;

/// A file of two blocks.
const MARKER: &str = "/srv/osm/marker";

/// One emulated processor of a busy machine.
const BOOT_LIMIT: Duration = Duration::from_secs(180);

/// The disk; says so when there is none.
fn guest() -> Option<PathBuf> {
    let found = std::env::var_os("OSM_E2E_GUEST").map(PathBuf::from);
    if found.is_none() {
        assert!(std::env::var_os("OSM_REQUIRE_PEERS").is_none(), "OSM_E2E_GUEST names no disk");
        // Not through the test's captured output: a skip is seen.
        std::io::stderr().write_all(b"skipped: OSM_E2E_GUEST names no disk of a guest\n").unwrap();
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debian_guest_of_vmware_is_converted_and_boots_from_virtio() {
    let Some(disk) = guest() else { return };
    let began = Instant::now();
    let told = |what: &str| eprintln!("[{:4}s] {what}", began.elapsed().as_secs());
    let dir = tempfile::tempdir().unwrap();
    // As it is it has no way to its root on virtio; it takes half a minute to say so, so it begins now.
    let unfit = Booting::start(&disk, &dir.path().join("unfit"));
    assert_eq!(file(&disk, "/etc/fstab"), "/dev/sda1 / ext4 errors=remount-ro 0 1\n");
    let kernel = kernel(&disk);
    assert!(!modules(&disk, &kernel, dir.path()).contains("virtio"));
    assert!(has_tools(&disk));

    let vcenter = VCenter::start(VCenterOptions::new(dir.path().join("vcenter"))).unwrap();
    let machine = MachineSeed {
        disks: vec![DiskSeed::new(BOOT, GIB).from_file(&disk)],
        cpus: 1,
        memory_mib: 512,
        ..MachineSeed::new("debian")
    };
    let vm = vcenter.add_machine(machine).unwrap();
    let authority = dir.path().join("vcenter.pem");
    vcenter.write_ca(&authority).unwrap();
    let vsphere = Vsphere {
        url: vcenter.url(),
        user: VCenter::USER.to_owned(),
        password: VCenter::PASSWORD.to_owned(),
        authority: fs::read_to_string(authority).unwrap(),
    };
    let stage = Stage::new(dir, vsphere);

    let first = copied(&stage.succeeds("seed", &[]));
    told(&format!("{first} bytes are seeded"));
    assert!((200 * MIB..GIB).contains(&first), "{first}: what was never written is not copied");
    // The guest rewrites the file's first block, and its second one while it shuts down.
    let blocks = blocks(&disk, MARKER);
    let written = ["written while it ran ..........\n", "written as it shut down .......\n"];
    let written = written.map(|line| line.repeat(128));
    assert!(vcenter.guest_write(&vm, BOOT, blocks[0], written[0].as_bytes()).unwrap(), "the guest runs");
    assert_eq!(copied(&stage.succeeds("seed", &[])), 64 << 10, "what was written since");
    let copy = stage.lab.dst().volume_file(&stage.volume("debian-2000").await.id);
    said(Command::new("cmp").args([&vcenter.live_file(&vm, BOOT), &copy]));
    vcenter.on_shutdown(&vm, vec![(BOOT, blocks[1], written[1].clone().into_bytes())]);
    told("the delta is there");

    let output = with_virt_v2v(stage.work("cutover", &[]), &disk).output().unwrap();
    let lines = success(&output);
    let converted = events(&lines, "step_done").into_iter().find(|event| event["step"] == "convert_guest");
    told(&format!("it is cut over; virt-v2v-in-place: {}", converted.unwrap()["detail"]));
    assert_eq!(stage.server_status("debian").await.as_deref(), Some("ACTIVE"));
    let volume = stage.volume("debian-2000").await;
    assert_eq!((volume.metadata["converted"].as_str(), volume.bootable), ("true", true));
    assert_eq!(volume.volume_image_metadata["hw_disk_bus"], "virtio");

    assert_eq!(file(&copy, MARKER), written.concat(), "both writes arrived");
    assert_eq!(file(&copy, "/etc/fstab"), "/dev/vda1 / ext4 errors=remount-ro 0 1\n");
    assert!(!has_tools(&copy));
    let modules = modules(&copy, &kernel, stage.dir.path());
    assert!(modules.contains("virtio_blk") && modules.contains("virtio_net"), "{modules}");

    let said = unfit.said("ALERT!");
    assert!(said.contains("Gave up waiting for root file system device"), "{said}");
    told("the source's disk does not boot from virtio");
    let fit = Booting::start(&copy, &stage.dir.path().join("fit"));
    let said = fit.said("login:");
    assert!(said.contains("vmguest login:"), "{said}");
    told("the server's disk boots from virtio");
}

/// The same command with the conversion that it is told not to do, without KVM.
fn with_virt_v2v(plain: Command, disk: &Path) -> Command {
    let mut command = Command::new(plain.get_program());
    command.args(plain.get_args().map(|word| if word == "none" { "virt-v2v".as_ref() } else { word }));
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap());
    }
    command.env("LIBGUESTFS_BACKEND", "direct").env("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg");
    // libguestfs runs with the guest's kernel, whatever this machine has, and what it makes of it is made once.
    let beside = disk.parent().unwrap();
    command.env("SUPERMIN_KERNEL", beside.join("vmlinuz")).env("SUPERMIN_MODULES", beside.join("modules"));
    command.env("LIBGUESTFS_CACHEDIR", beside).stdin(Stdio::null());
    command
}

/// What a program said that succeeded.
fn said(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    assert!(output.status.success(), "{command:?}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// What debugfs says of a disk's root.
fn debugfs(disk: &Path, request: &str) -> String {
    let root = format!("{}?offset={ROOT}", disk.display());
    said(Command::new("debugfs").args(["-R", request, &root]))
}

fn file(disk: &Path, path: &str) -> String {
    debugfs(disk, &format!("cat {path}"))
}

/// Whether open-vm-tools are there.
fn has_tools(disk: &Path) -> bool {
    debugfs(disk, "stat /usr/bin/vmtoolsd").contains("Inode:")
}

/// Where the blocks of a file are on the disk.
fn blocks(disk: &Path, path: &str) -> Vec<u64> {
    let numbers = debugfs(disk, &format!("blocks {path}"));
    numbers.split_whitespace().map(|number| ROOT + BLOCK * number.parse::<u64>().unwrap()).collect()
}

/// The release of its one kernel.
fn kernel(disk: &Path) -> String {
    let names = debugfs(disk, "ls -p /boot");
    let kernel = names.split('/').find_map(|name| name.strip_prefix("vmlinuz-"));
    kernel.expect("it has a kernel").to_owned()
}

/// The modules in the initramfs of a kernel.
fn modules(disk: &Path, kernel: &str, scratch: &Path) -> String {
    let initramfs = scratch.join("initramfs");
    debugfs(disk, &format!("dump /boot/initrd.img-{kernel} {}", initramfs.display()));
    let names = said(Command::new("lsinitramfs").arg(&initramfs));
    let modules: Vec<&str> = names.lines().filter(|name| name.contains("/kernel/drivers/")).collect();
    assert!(!modules.is_empty(), "{names}");
    modules.join("\n")
}

/// A machine of QEMU with a disk on virtio, which stays as it is.
struct Booting {
    qemu: Child,
    serial: PathBuf,
    began: Instant,
}

impl Booting {
    fn start(disk: &Path, scratch: &Path) -> Self {
        let (overlay, serial) = (scratch.with_extension("qcow2"), scratch.with_extension("serial"));
        let mut create = Command::new("qemu-img");
        said(create.args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"]).args([disk, &overlay]));
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args(["-machine", "q35,accel=tcg", "-m", "512", "-nographic", "-nodefaults", "-net", "none"]);
        qemu.arg("-drive").arg(format!("if=virtio,format=qcow2,file={}", overlay.display()));
        qemu.arg("-serial").arg(format!("file:{}", serial.display()));
        let qemu = qemu.stdin(Stdio::null()).spawn().expect("QEMU starts");
        Self { qemu, serial, began: Instant::now() }
    }

    /// What its serial port said until these words came.
    fn said(mut self, words: &str) -> String {
        loop {
            let said = fs::read(&self.serial).unwrap_or_default();
            let said = String::from_utf8_lossy(&said).into_owned();
            if said.contains(words) {
                return said;
            }
            let ended = self.qemu.try_wait().unwrap();
            assert!(ended.is_none(), "QEMU ended, {ended:?}: {said}");
            assert!(self.began.elapsed() < BOOT_LIMIT, "no `{words}` in {BOOT_LIMIT:?}: {said}");
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

impl Drop for Booting {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}
