//! Where a test runs: a process of its own, a distribution of VDDK, a datastore with a disk.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::runtime::Runtime;

use super::{DATA, PASSWORD, SIZE, bytes};

/// What the process of a test has left.
pub(crate) struct Left {
    pub(crate) is_success: bool,
    pub(crate) trace: Vec<String>,
    pub(crate) output: String,
}

/// Runs `body` in a process of its own, which has those settings; nothing in that process itself. `without` are functions
/// that the library then lacks.
pub(crate) fn alone(
    test: &str,
    settings: &[(&str, &str)],
    without: &[&str],
    body: impl AsyncFnOnce(PathBuf),
) -> Option<Left> {
    if let Some(libdir) = env::var_os("OSM_VDDK_TEST") {
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(std::io::stdout)
            .init();
        Runtime::new().unwrap().block_on(body(libdir.into()));
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let (libdir, trace) = (lay_out(dir.path(), without), dir.path().join("trace"));
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("OSM_VDDK_TEST", libdir)
        .env("VIX_STANDIN_ROOT", dir.path())
        .env("VIX_STANDIN_TRACE", &trace)
        .envs(settings.iter().copied())
        .output()
        .unwrap();
    let output_text = format!("{}{}", text(&output.stdout), text(&output.stderr));
    println!("{output_text}");
    let trace = fs::read_to_string(trace).unwrap_or_default();
    assert!(!trace.contains("VIOLATION"), "{trace}");
    assert!(!trace.contains(PASSWORD), "{trace}");
    assert!(!output_text.contains(PASSWORD));
    Some(Left {
        is_success: output.status.success(),
        trace: trace.lines().map(str::to_owned).collect(),
        output: output_text,
    })
}

/// As [`alone`], for what must not fail.
pub(crate) fn alone_and_well(
    test: &str,
    settings: &[(&str, &str)],
    body: impl AsyncFnOnce(PathBuf),
) -> Option<Left> {
    let left = alone(test, settings, &[], body)?;
    assert!(left.is_success);
    Some(left)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A distribution of VDDK, and a datastore with a disk.
pub(crate) fn lay_out(dir: &Path, without: &[&str]) -> PathBuf {
    let libdir = dir.join("vmware-vix-disklib-distrib");
    fs::create_dir_all(libdir.join("lib64")).unwrap();
    let library = libdir.join("lib64/libvixDiskLib.so.8");
    if without.is_empty() {
        symlink(stand_in(), &library).unwrap();
    } else {
        let mut bytes = fs::read(stand_in()).unwrap();
        without.iter().for_each(|function| rename(&mut bytes, function));
        fs::write(&library, bytes).unwrap();
    }
    fs::create_dir_all(dir.join("ds 1/web")).unwrap();
    let image = File::create(dir.join("ds 1/web/web-flat.vmdk")).unwrap();
    image.set_len(SIZE).unwrap();
    for range in DATA {
        image.write_all_at(&bytes(range.offset, range.len), range.offset).unwrap();
    }
    libdir
}

/// Cargo builds it for this test, beside it or one folder up.
fn stand_in() -> PathBuf {
    let test = env::current_exe().unwrap();
    let found = test.ancestors().skip(1).take(2).map(|folder| folder.join("libvixDiskLib.so"));
    found.into_iter().find(|path| path.exists()).expect("the stand-in is built")
}

/// Makes the loader not find a function: its name in the table of strings is another one.
fn rename(library: &mut [u8], function: &str) {
    let name = format!("{function}\0").into_bytes();
    let places: Vec<usize> =
        (0..library.len() - name.len()).filter(|at| library[*at..].starts_with(&name)).collect();
    assert!(!places.is_empty(), "{function}");
    for at in places {
        library[at] = b'_';
    }
}

impl Left {
    /// The numbers of the lines that hold a call.
    pub(crate) fn at(&self, call: &str) -> Vec<usize> {
        let of = |line: &String| line.split(' ').nth(2).is_some_and(|word| word == call);
        (0..self.trace.len()).filter(|at| of(&self.trace[*at])).collect()
    }

    /// Where each read of this kind begins, in their order.
    pub(crate) fn starts(&self, call: &str) -> Vec<&str> {
        self.at(call).iter().filter_map(|at| self.trace[*at].split(' ').nth(3)).collect()
    }

    /// How many reads were under way at once, at most.
    pub(crate) fn most_under_way(&self) -> usize {
        let (begun, ended) = (self.at("ReadAsync"), self.at("Completed"));
        let before = |lines: &[usize], at: usize| lines.iter().filter(|line| **line < at).count();
        begun.iter().map(|at| before(&begun, *at) + 1 - before(&ended, *at)).max().unwrap_or(0)
    }

    pub(crate) fn was_ended_in_order(&self) {
        let last = |call| self.at(call).last().copied().unwrap_or_else(|| panic!("no {call}"));
        assert!(last("Completed") < last("Close"), "{:#?}", self.trace);
        assert!(last("Wait") < last("Close") && last("Close") < last("Disconnect"), "{:#?}", self.trace);
        assert_eq!((self.at("InitEx").len(), self.at("Exit").len()), (1, 0));
    }
}
