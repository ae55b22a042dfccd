//! Runs a vCenter with two machines until its standard input ends: `cargo run -p osm-lab --example vcenter -- DIR`.
//!
//! Any vSphere client can look around: `GOVC_TLS_CA_CERTS=DIR/ca.pem govc find -u URL`. A line `MACHINE KEY OFFSET TEXT`
//! of its standard input is text that the guest of a machine writes to one of its disks; it is answered by a line.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _};
use std::path::PathBuf;

use osm_lab::vcenter::{DiskSeed, MachineSeed, VCenter, VCenterOptions};

fn main() -> io::Result<()> {
    let dir = std::env::args().nth(1).map(PathBuf::from);
    let dir = dir.ok_or_else(|| io::Error::other("usage: vcenter DIR"))?;
    let vcenter = VCenter::start(VCenterOptions::new(&dir))?;
    let mut app = MachineSeed::new("app01");
    app.disks[0] = app.disks[0].clone().with(1 << 20, vec![0x5a; 300_000]);
    app.disks.push(DiskSeed::new(2001, 256 << 20).with(0, *b"data"));
    let app = vcenter.add_machine(app)?;
    let mut windows = MachineSeed::new("win01");
    windows.folder = "office".to_owned();
    windows.guest_id = "windows2019srv_64Guest".to_owned();
    windows.guest_full_name = "Microsoft Windows Server 2019 (64-bit)".to_owned();
    (windows.efi, windows.powered_on, windows.tracking) = (true, false, false);
    let windows = vcenter.add_machine(windows)?;
    let machines = BTreeMap::from([("app01", app), ("win01", windows)]);
    let authority = dir.join("ca.pem");
    vcenter.write_ca(&authority)?;
    println!("{}", vcenter.url());
    println!("{}", VCenter::USER);
    println!("{}", VCenter::PASSWORD);
    println!("{}", authority.display());
    for line in io::stdin().lock().lines() {
        match write(&vcenter, &machines, &line?) {
            Ok(true) => println!("written"),
            Ok(false) => println!("the machine is off"),
            Err(error) => println!("{error}"),
        }
    }
    Ok(())
}

/// Does what a line asks for; answers whether the machine runs.
fn write(vcenter: &VCenter, machines: &BTreeMap<&str, String>, line: &str) -> io::Result<bool> {
    let usage = || io::Error::other("write MACHINE KEY OFFSET TEXT");
    let mut words = line.splitn(4, ' ');
    let mut word = || words.next().ok_or_else(usage);
    let (machine, key, offset, text) = (word()?, word()?, word()?, word()?);
    let machine = machines.get(machine).ok_or_else(usage)?;
    let (key, offset) = (key.parse().map_err(|_| usage())?, offset.parse().map_err(|_| usage())?);
    vcenter.guest_write(machine, key, offset, text.as_bytes())
}
