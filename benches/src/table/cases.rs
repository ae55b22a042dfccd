//! The cases of the table.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::remote::{self, Sshd};
use super::{Bench, Case, Comparison, Number, Prepare, Way};
use crate::client::Tool;
use crate::server::{Kind, Listen, Server, Setup};

type Build = fn(&Bench) -> Result<Case>;

/// Every case with its name.
pub(super) const ALL: [(&str, Build); 7] = [
    ("unix", unix),
    ("tcp", tcp),
    ("sparse", sparse),
    ("tls", tls),
    ("far", far),
    ("areas", areas),
    ("journal", journal),
];

const THEIR_PAIRS: &[&str] = &["nbdkit+nbdcopy", "nbdkit+qemu-img", "qemu-nbd+nbdcopy", "qemu-nbd+qemu-img"];

/// Each of nbdkit, qemu-nbd and our server with each client.
const PAIRS: [(usize, Tool); 8] = [
    (0, Tool::Nbdcopy),
    (0, Tool::QemuImg),
    (0, Tool::Ours),
    (1, Tool::Nbdcopy),
    (1, Tool::QemuImg),
    (1, Tool::Ours),
    (2, Tool::Nbdcopy),
    (2, Tool::Ours),
];
const SERVERS: [Kind; 3] = [Kind::Nbdkit, Kind::QemuNbd, Kind::Ours];

const fn comparison(
    what: &'static str,
    ours: &'static str,
    peers: &'static [&'static str],
    number: Number,
    wanted: f64,
) -> Comparison {
    Comparison { what, ours, peers, number, wanted }
}

fn dense() -> Vec<Comparison> {
    let nbdkit = &["nbdkit+nbdcopy", "nbdkit+qemu-img"];
    let qemu = &["qemu-nbd+nbdcopy", "qemu-nbd+qemu-img"];
    Vec::from([
        comparison("our pair", "osm+osm", THEIR_PAIRS, Number::Wall, 1.0 / 1.5),
        comparison("our pair", "osm+osm", THEIR_PAIRS, Number::AllCpu, 0.5),
        comparison("our client", "nbdkit+osm", nbdkit, Number::Wall, 1.0 / 1.2),
        comparison("our client", "nbdkit+osm", nbdkit, Number::ClientCpu, 0.8),
        comparison("our client", "qemu-nbd+osm", qemu, Number::Wall, 1.0 / 1.2),
        comparison("our client", "qemu-nbd+osm", qemu, Number::ClientCpu, 0.8),
        comparison("our server", "osm+nbdcopy", &["nbdkit+nbdcopy"], Number::ServerCpu, 0.5),
        comparison("our server", "osm+nbdcopy", &["qemu-nbd+nbdcopy"], Number::ServerCpu, 0.5),
        comparison("our server", "osm+osm", &["nbdkit+osm"], Number::ServerCpu, 0.5),
    ])
}

fn unix(bench: &Bench) -> Result<Case> {
    let setup = |kind| Ok(Setup::unix(kind, &bench.ours, &bench.from, bench.folder.path()));
    bench.pairs(format!("{} MiB dense, unix socket", bench.mib), &bench.from, dense(), setup)
}

fn tcp(bench: &Bench) -> Result<Case> {
    let setup = |kind| Setup::tcp(kind, &bench.ours, &bench.from);
    bench.pairs(format!("{} MiB dense, TCP of loopback", bench.mib), &bench.from, dense(), setup)
}

fn sparse(bench: &Bench) -> Result<Case> {
    // A tenth is data, a MiB at a time, in a disk of four times the size.
    let from = bench.folder.path().join("sparse");
    let file = File::create(&from)?;
    let size = bench.mib * 4;
    file.set_len(size << 20)?;
    let noise = File::open(&bench.from)?;
    let mut block = vec![0; 1 << 20];
    for mib in (0..size).step_by(10) {
        noise.read_exact_at(&mut block, (mib / 10) << 20)?;
        file.write_all_at(&block, mib << 20)?;
    }
    let comparisons = Vec::from([comparison("our pair", "osm+osm", THEIR_PAIRS, Number::Wall, 1.0 / 1.2)]);
    let setup = |kind| Ok(Setup::unix(kind, &bench.ours, &from, bench.folder.path()));
    let title = format!("{size} MiB of which a tenth is data, unix socket; allocated sizes are compared");
    bench.pairs(title, &from, comparisons, setup)
}

fn tls(bench: &Bench) -> Result<Case> {
    let pki = bench.folder.path().join("pki");
    remote::certificates(&pki)?;
    let secure = |kind| {
        Server::start(&Setup { certificates: Some(&pki), ..Setup::tcp(kind, &bench.ours, &bench.from)? })
    };
    let plain = Setup::tcp(Kind::QemuNbd, &bench.ours, &bench.from)?;
    let Listen::Tcp(port) = plain.listen else { unreachable!("it is a TCP setup") };
    let servers = Vec::from([Server::start(&plain)?, secure(Kind::Nbdkit)?, secure(Kind::Ours)?]);
    let sshd = Sshd::start(&bench.folder.path().join("ssh"))?;
    let tunnel = sshd.tunnel(port)?;
    let ways = Vec::from([
        bench.way("ssh+qemu-img", 0, Tool::QemuImg, tunnel.uri(), bench.mib, &[]),
        bench.way("nbdkit+nbdcopy", 1, Tool::Nbdcopy, servers[1].uri(), bench.mib, &[]),
        bench.way("nbdkit+osm", 1, Tool::Ours, servers[1].uri(), bench.mib, &["--connections=4"]),
        bench.way("osm+osm", 2, Tool::Ours, servers[2].uri(), bench.mib, &["--connections=4"]),
    ]);
    let comparisons = Vec::from([
        comparison("qemu-nbd through ssh -L", "osm+osm", &["ssh+qemu-img"], Number::Wall, 0.25),
        comparison("TLS", "osm+osm", &["nbdkit+nbdcopy"], Number::Wall, 1.0 / 1.2),
        comparison("TLS, our client", "nbdkit+osm", &["nbdkit+nbdcopy"], Number::Wall, 1.0 / 1.2),
    ]);
    let title = format!("{} MiB dense, TLS on TCP of loopback with 4 connections", bench.mib);
    Ok(Case { servers, ways, comparisons, _beside: Some((tunnel, sshd)), ..bench.case(title, &bench.from) })
}

fn far(bench: &Bench) -> Result<Case> {
    let from = bench.folder.path().join("short");
    let mib = bench.mib.min(512);
    let mut start = vec![0; (mib << 20) as usize];
    File::open(&bench.from)?.read_exact_at(&mut start, 0)?;
    fs::write(&from, start)?;
    let setup = Setup {
        filters: &["--threads=64", "--filter=delay", "--filter=rate"],
        parameters: &["rdelay=10ms", "rate=1G"],
        ..Setup::unix(Kind::Nbdkit, &bench.ours, &from, bench.folder.path())
    };
    let servers = Vec::from([Server::start(&setup)?]);
    let way = |name, tool| bench.way(name, 0, tool, servers[0].uri(), mib, &[]);
    let ways = Vec::from([
        way("nbdkit+nbdcopy", Tool::Nbdcopy),
        way("nbdkit+qemu-img", Tool::QemuImg),
        way("nbdkit+osm", Tool::Ours),
    ]);
    let peers = &["nbdkit+nbdcopy", "nbdkit+qemu-img"];
    let comparisons = Vec::from([comparison("our client", "nbdkit+osm", peers, Number::Wall, 1.0)]);
    let least = mib as f64 * 8.0 * 1.048_576 / 1000.0;
    let title = format!(
        "{mib} MiB, answers after 10 ms at 1 Gbit/s (nbdkit's filters): the link alone takes {least:.2} s, \
         80 % of it is {:.2} s",
        least / 0.8
    );
    Ok(Case { servers, ways, comparisons, ..bench.case(title, &from) })
}

fn areas(bench: &Bench) -> Result<Case> {
    const AREA: u64 = 64 << 10;
    const COUNT: u64 = 1000;
    let (list, base) = (bench.folder.path().join("areas"), bench.folder.path().join("base"));
    let places = (bench.mib << 20) / AREA;
    // Odd steps through a power of two meet each place once; elsewhere some meet twice, which does no harm.
    let offsets: Vec<u64> = (0..COUNT).map(|index| index * 7_368_787 % places * AREA).collect();
    let mut text = String::new();
    for offset in &offsets {
        writeln!(text, "{offset} {AREA}")?;
    }
    fs::write(&list, text)?;
    fs::copy(&bench.from, &base)?;
    let setup = Setup {
        filters: &["--threads=64", "--filter=delay"],
        parameters: &["rdelay=1ms"],
        ..Setup::unix(Kind::Nbdkit, &bench.ours, &bench.from, bench.folder.path())
    };
    let servers = Vec::from([Server::start(&setup)?]);
    let way = |name: &str, more: &'static [&'static str]| {
        let (ours, list, uri, to) = (bench.ours.clone(), list.clone(), servers[0].uri(), bench.to.clone());
        let client = move || {
            let mut command = Command::new(&ours);
            command.arg("copy").arg(&uri).arg(&to).arg("--areas").arg(&list).args(more);
            Ok(command)
        };
        Way { name: name.to_owned(), server: 0, client: Box::new(client) }
    };
    let ways = Vec::from([
        // One request is always under way, and no more fits.
        way("one at a time", &["--in-flight-mib=0"]),
        way("nbdkit+osm", &[]),
    ]);
    let comparisons =
        Vec::from([comparison("our client", "nbdkit+osm", &["one at a time"], Number::Wall, 0.1)]);
    let prepare = move |to: &Path| {
        if !to.exists() {
            fs::copy(&base, to)?;
        }
        let target = File::options().write(true).open(to)?;
        let zeroes = vec![0; AREA as usize];
        offsets.iter().try_for_each(|offset| target.write_all_at(&zeroes, *offset))?;
        Ok(())
    };
    let title = format!("{COUNT} areas of 64 KiB, answers after 1 ms (nbdkit's delay filter)");
    let prepare: Option<Prepare> = Some(Box::new(prepare));
    Ok(Case { servers, ways, comparisons, prepare, ..bench.case(title, &bench.from) })
}

fn journal(bench: &Bench) -> Result<Case> {
    let setup = Setup::unix(Kind::Nbdkit, &bench.ours, &bench.from, bench.folder.path());
    let servers = Vec::from([Server::start(&setup)?]);
    let way = |name: &str, program: &Path, words: &'static [&'static str], journal: Option<PathBuf>| {
        let (program, uri, to) = (program.to_owned(), servers[0].uri(), bench.to.clone());
        let client = move || {
            let mut command = Command::new(&program);
            command.args(words).arg(&uri).arg(&to);
            if let Some(journal) = &journal {
                if journal.exists() {
                    fs::remove_file(journal).context("the last journal")?;
                }
                command.arg("--journal").arg(journal);
            }
            Ok(command)
        };
        Way { name: name.to_owned(), server: 0, client: Box::new(client) }
    };
    let ways = Vec::from([
        way("library", &bench.library, &["one"], None),
        way("hash+osm", &bench.library, &["one", "--hash", "true"], None),
        way("journal+osm", &bench.ours, &["copy"], Some(bench.folder.path().join("journal"))),
    ]);
    let comparisons = Vec::from([
        comparison("progress and journal", "journal+osm", &["library"], Number::Wall, 1.03),
        comparison("inline hash", "hash+osm", &["library"], Number::Wall, 1.1),
    ]);
    let title = format!("{} MiB dense with progress and journal, hashed, and without", bench.mib);
    Ok(Case { servers, ways, comparisons, ..bench.case(title, &bench.from) })
}

impl Bench {
    fn case(&self, title: String, from: &Path) -> Case {
        Case {
            title,
            from: from.to_owned(),
            servers: Vec::new(),
            ways: Vec::new(),
            prepare: None,
            comparisons: Vec::new(),
            _beside: None,
        }
    }

    /// `PAIRS` of servers and clients.
    fn pairs<'a>(
        &'a self,
        title: String,
        from: &'a Path,
        comparisons: Vec<Comparison>,
        setup: impl Fn(Kind) -> Result<Setup<'a>>,
    ) -> Result<Case> {
        let servers = SERVERS.map(|kind| Server::start(&setup(kind)?));
        let servers = servers.into_iter().collect::<Result<Vec<_>>>()?;
        let mib = fs::metadata(from)?.len() >> 20;
        let ways = PAIRS.map(|(server, tool)| {
            let name = format!("{}+{}", SERVERS[server].name(), tool.name());
            self.way(&name, server, tool, servers[server].uri(), mib, &[])
        });
        Ok(Case { servers, ways: ways.into(), comparisons, ..self.case(title, from) })
    }

    fn way(
        &self,
        name: &str,
        server: usize,
        tool: Tool,
        uri: String,
        mib: u64,
        more: &'static [&'static str],
    ) -> Way {
        let (ours, to) = (self.ours.clone(), self.to.clone());
        let client = move || {
            let mut command = tool.command(&ours, &uri, &to, mib << 20)?;
            command.args(more);
            Ok(command)
        };
        Way { name: name.to_owned(), server, client: Box::new(client) }
    }
}
