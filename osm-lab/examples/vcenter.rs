//! Runs a vCenter with two machines until its standard input ends: `cargo run -p osm-lab --example vcenter -- DIR`.
//!
//! Any vSphere client can look around: `GOVC_TLS_CA_CERTS=DIR/ca.pem govc find -u URL`.

use std::io;
use std::path::PathBuf;

use osm_lab::vcenter::{DiskSeed, MachineSeed, VCenter, VCenterOptions};

fn main() -> io::Result<()> {
    let dir = std::env::args().nth(1).map(PathBuf::from);
    let dir = dir.ok_or_else(|| io::Error::other("usage: vcenter DIR"))?;
    let vcenter = VCenter::start(VCenterOptions::new(&dir))?;
    let mut app = MachineSeed::new("app01");
    app.disks[0] = app.disks[0].clone().with(1 << 20, vec![0x5a; 300_000]);
    app.disks.push(DiskSeed::new(2001, 256 << 20).with(0, *b"data"));
    vcenter.add_machine(app)?;
    let mut windows = MachineSeed::new("win01");
    windows.folder = "office".to_owned();
    windows.guest_id = "windows2019srv_64Guest".to_owned();
    windows.guest_full_name = "Microsoft Windows Server 2019 (64-bit)".to_owned();
    (windows.efi, windows.powered_on, windows.tracking) = (true, false, false);
    vcenter.add_machine(windows)?;
    let authority = dir.join("ca.pem");
    vcenter.write_ca(&authority)?;
    println!("{}", vcenter.url());
    println!("{}", VCenter::USER);
    println!("{}", VCenter::PASSWORD);
    println!("{}", authority.display());
    io::copy(&mut io::stdin(), &mut io::sink()).map(drop)
}
