//! Something that runs in a server of the source and writes a growing number to one of its disks, until the
//! server is stopped.

use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{env, fs};

use osm_lab::Cloud;

use crate::Stage;

/// Where on the disk the number is.
const STAMP: u64 = 16 << 20;

/// What writes it in a real guest: sixteen digits, flushed, and then told.
const WRITER: &str = "i=0; while :; do i=$((i+1)); \
    printf %016d $i | dd of=/dev/vdb bs=16 seek=1048576 conv=notrunc 2>/dev/null; sync; echo $i; done";

/// A writer in a guest.
pub struct Guest {
    written: Arc<AtomicU64>,
    quit: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    ssh: Option<Child>,
}

impl Guest {
    /// Starts to write to the data disk of a server; on the real clouds it is the one that the environment
    /// describes.
    ///
    /// # Errors
    /// The guest cannot be reached.
    pub fn start(stage: &Stage, server: &str, volume: &str) -> io::Result<Self> {
        let (written, quit) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        if let Some(lab) = stage.lab_clouds() {
            let (cloud, server, volume) = (lab.src().clone(), server.to_owned(), volume.to_owned());
            let (told, ended) = (Arc::clone(&written), Arc::clone(&quit));
            let thread = thread::spawn(move || write_to_lab(&cloud, (&server, &volume), &told, &ended));
            return Ok(Self { written, quit, thread: Some(thread), ssh: None });
        }
        let value = |name: &str| env::var(name).map_err(|_| io::Error::other(format!("{name} is not set")));
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=5", "-i"]);
        ssh.arg(value("OSM_E2E_SERVER_KEY")?).arg("-o");
        ssh.arg(format!("UserKnownHostsFile={}", value("OSM_E2E_SERVER_KNOWN_HOSTS")?));
        ssh.arg(format!("root@{}", value("OSM_E2E_SERVER_ADDRESS")?)).arg(WRITER);
        let mut child = ssh.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let lines = child.stdout.take().map(BufReader::new);
        let told = Arc::clone(&written);
        let thread = thread::spawn(move || {
            for line in lines.into_iter().flat_map(BufReader::lines).map_while(Result::ok) {
                if let Ok(number) = line.trim().parse() {
                    told.store(number, Ordering::Relaxed);
                }
            }
        });
        Ok(Self { written, quit, thread: Some(thread), ssh: Some(child) })
    }

    /// The last number that is known to be on the disk.
    pub fn last(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// The number on a disk.
    ///
    /// # Errors
    /// The disk cannot be read, or has none.
    pub fn on_disk(path: &std::path::Path) -> io::Result<u64> {
        use std::os::unix::fs::FileExt as _;
        let mut digits = [0; 16];
        fs::File::open(path)?.read_exact_at(&mut digits, STAMP)?;
        let text = std::str::from_utf8(&digits).map_err(io::Error::other)?;
        text.parse().map_err(|_| io::Error::other(format!("`{text}` is no number")))
    }
}

fn write_to_lab(cloud: &Cloud, (server, volume): (&str, &str), told: &AtomicU64, ended: &AtomicBool) {
    for number in 1_u64.. {
        let text = format!("{number:016}");
        if ended.load(Ordering::Relaxed) {
            return;
        }
        if cloud.guest_write(server, volume, STAMP, text.as_bytes()).unwrap_or(false) {
            told.store(number, Ordering::Relaxed);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.quit.store(true, Ordering::Relaxed);
        if let Some(ssh) = &mut self.ssh {
            let _ = ssh.kill();
            let _ = ssh.wait();
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
