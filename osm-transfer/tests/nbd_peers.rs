//! Others with us: qemu-nbd, qemu-img, qemu-io, nbdkit, nbdinfo, nbdcopy and the `nbd` crate.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod nbd_support;

use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use nbd_support::{MemoryDisk, PAGE, Peer, Running, have, pattern, run};
use osm_transfer::block::{BlockSink, BlockSource, Buffer, ByteRange, Extent, ExtentKind, ZeroMode};
use osm_transfer::nbd::{Client, ClientOptions, Export, ServerOptions, Uri, compat, list};
use osm_transfer::transfer::Transfer;
use osm_transfer::{ErrorKind, nbd as ours};
use tempfile::TempDir;

const MIB: usize = 1 << 20;

/// A sparse file: a MiB of data, six of hole, one of data.
fn sparse_file(dir: &TempDir) -> std::path::PathBuf {
    let path = dir.path().join("disk.img");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(&pattern(0, MIB)).unwrap();
    file.seek(SeekFrom::Start(7 * MIB as u64)).unwrap();
    file.write_all(&pattern(7 * MIB as u64, MIB)).unwrap();
    path
}

fn sparse_bytes() -> Vec<u8> {
    let mut bytes = vec![0; 8 * MIB];
    bytes[..MIB].copy_from_slice(&pattern(0, MIB));
    bytes[7 * MIB..].copy_from_slice(&pattern(7 * MIB as u64, MIB));
    bytes
}

/// All of a disk, in requests of 300 KiB that overtake each other.
async fn read_all(client: &Client) -> Vec<u8> {
    let len = 300 << 10;
    let reads = (0..client.size()).step_by(len).map(|offset| {
        let len = len.min((client.size() - offset) as usize);
        client.read(offset, Buffer::zeroed(len))
    });
    let mut bytes = Vec::new();
    for buffer in futures_util::future::join_all(reads).await {
        bytes.extend_from_slice(&buffer.unwrap());
    }
    bytes
}

/// The extents of a disk, neighbours of one kind put together.
async fn all_extents(client: &Client) -> Vec<Extent> {
    let mut extents: Vec<Extent> = Vec::new();
    let mut offset = 0;
    while offset < client.size() {
        for extent in client.extents(ByteRange::new(offset, client.size() - offset)).await.unwrap() {
            assert_eq!(extent.range.offset, offset);
            offset = extent.range.end();
            match extents.last_mut() {
                Some(last) if last.kind == extent.kind => last.range.len += extent.range.len,
                _ => extents.push(extent),
            }
        }
    }
    extents
}

fn sparse_extents() -> Vec<Extent> {
    let mib = MIB as u64;
    vec![
        Extent::new(0, mib, ExtentKind::Data),
        Extent::new(mib, 6 * mib, ExtentKind::Hole),
        Extent::new(7 * mib, mib, ExtentKind::Data),
    ]
}

/// Writes and zeroes through a client, and what the disk holds then.
async fn scribble(client: &Client) -> Vec<u8> {
    let mib = MIB as u64;
    let data: Vec<u8> = pattern(99, 3 * MIB);
    let (one, two) = tokio::join!(
        client.write(2 * mib, Buffer::from(data.clone())),
        client.zero(ByteRange::new(0, mib / 2), ZeroMode::Hole),
    );
    one.unwrap();
    two.unwrap();
    client.zero(ByteRange::new(7 * mib, mib / 4), ZeroMode::Allocate).await.unwrap();
    client.trim(ByteRange::new(6 * mib, mib / 2)).await.unwrap();
    client.flush().await.unwrap();
    let mut expected = sparse_bytes();
    expected[2 * MIB..5 * MIB].copy_from_slice(&data);
    expected[..MIB / 2].fill(0);
    expected[7 * MIB..7 * MIB + MIB / 4].fill(0);
    expected
}

#[tokio::test]
async fn our_client_with_qemu_nbd() {
    if !have(&["qemu-nbd"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (file, socket) = (sparse_file(&dir), dir.path().join("qemu.sock"));
    let mut command = Command::new("qemu-nbd");
    command.args(["--format=raw", "--persistent", "--shared=8", "--discard=unmap", "--export-name=disk"]);
    command.args(["--description=a qemu disk", "--socket"]).arg(&socket).arg(&file);
    let _peer = Peer::serve(&mut command, &socket).await;
    let uri = Uri::unix(&socket, "disk");
    let listed = list(&uri).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].name.as_str(), listed[0].size), ("disk", Some(8 * MIB as u64)));
    assert_eq!(listed[0].description, "a qemu disk");
    let client = Client::connect(&uri, &ClientOptions::default()).await.unwrap();
    assert!(BlockSource::capabilities(&client).extents);
    assert!(read_all(&client).await == sparse_bytes());
    assert_eq!(all_extents(&client).await, sparse_extents());
    let expected = scribble(&client).await;
    assert!(read_all(&client).await == expected);
    client.close().await.unwrap();
    assert!(std::fs::read(&file).unwrap() == expected);
    let error = Client::connect(&Uri::unix(&socket, "nope"), &ClientOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
}

#[tokio::test]
async fn our_client_with_nbdkit() {
    if !have(&["nbdkit"]) {
        return;
    }
    for options in [
        ClientOptions { connections: 4, ..ClientOptions::default() },
        ClientOptions { structured: false, connections: 1, ..ClientOptions::default() },
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (file, socket) = (sparse_file(&dir), dir.path().join("kit.sock"));
        let mut command = Command::new("nbdkit");
        command.args(["--foreground", "--exit-with-parent", "--unix"]).arg(&socket).arg("file").arg(&file);
        let _peer = Peer::serve(&mut command, &socket).await;
        let client = Client::connect(&Uri::unix(&socket, ""), &options).await.unwrap();
        assert_eq!(client.connections(), options.connections);
        assert!(read_all(&client).await == sparse_bytes());
        if options.structured {
            assert_eq!(all_extents(&client).await, sparse_extents());
        }
        let expected = scribble(&client).await;
        assert!(read_all(&client).await == expected);
        client.close().await.unwrap();
        assert!(std::fs::read(&file).unwrap() == expected);
    }
}

#[tokio::test]
async fn our_client_with_an_nbdkit_that_knows_little_fails_and_splits() {
    if !have(&["nbdkit"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // No zeroes, no trim, no flush, small requests only: what is missing is made up for.
    let socket = dir.path().join("plain.sock");
    let mut command = Command::new("nbdkit");
    command.args(["--foreground", "--exit-with-parent", "--unix"]).arg(&socket);
    command.args(["--filter=nozero", "--filter=blocksize-policy", "memory", "8M"]);
    command.args(["blocksize-minimum=512", "blocksize-maximum=64K", "blocksize-error-policy=error"]);
    let _plain = Peer::serve(&mut command, &socket).await;
    let client = Client::connect(&Uri::unix(&socket, ""), &ClientOptions::default()).await.unwrap();
    assert_eq!(BlockSource::capabilities(&client).block_size.maximum, 64 << 10);
    assert!(!BlockSink::capabilities(&client).fast_zero);
    client.write(0, Buffer::from(sparse_bytes())).await.unwrap();
    let expected = scribble(&client).await;
    assert!(read_all(&client).await == expected);

    // Every read fails.
    let socket = dir.path().join("error.sock");
    let mut command = Command::new("nbdkit");
    command.args(["--foreground", "--exit-with-parent", "--unix"]).arg(&socket);
    command.args(["--filter=error", "memory", "8M", "error-pread=EIO", "error-pread-rate=100%"]);
    let _failing = Peer::serve(&mut command, &socket).await;
    let client = Client::connect(&Uri::unix(&socket, ""), &ClientOptions::default()).await.unwrap();
    let error = client.read(4096, Buffer::zeroed(512)).await.unwrap_err();
    assert_eq!((error.kind(), error.context().offset), (ErrorKind::Io, Some(4096)), "{error}");
    assert!(error.to_string().contains("NBD_EIO"), "{error}");
    client.write(4096, Buffer::zeroed(512)).await.unwrap();
}

/// Our server with a sparse disk of 8 MiB, as in [`sparse_bytes`].
fn sparse_server() -> (Arc<MemoryDisk>, Running) {
    let disk = Arc::new(MemoryDisk::new(8 * MIB));
    *disk.bytes.lock().unwrap() = sparse_bytes();
    let pages = MIB / PAGE;
    disk.allocated.lock().unwrap()[..pages].fill(true);
    disk.allocated.lock().unwrap()[7 * pages..].fill(true);
    let mut first = Export::writable("disk", disk.clone(), disk.clone());
    first.description = "a sparse disk".into();
    let exports = vec![first, Export::read_only("frozen", disk.clone())];
    let server = Running::start(exports, ServerOptions::default());
    (disk, server)
}

fn uri(server: &Running, export: &str) -> String {
    Uri::unix(&server.socket, export).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nbdinfo_with_our_server() {
    if !have(&["nbdinfo"]) {
        return;
    }
    let (_disk, server) = sparse_server();
    let listed = run(Command::new("nbdinfo").args(["--list", "--json"]).arg(uri(&server, ""))).await;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["structured"], true);
    let exports = listed["exports"].as_array().unwrap();
    assert_eq!(exports.len(), 2);
    let first = &exports[0];
    assert_eq!((first["export-name"].as_str(), first["export-size"].as_u64()), (Some("disk"), Some(8 << 20)));
    assert_eq!(first["description"], "a sparse disk");
    assert_eq!(first["contexts"][0], "base:allocation");
    assert_eq!(first["block_size_maximum"], 32 << 20);
    for able in ["can_multi_conn", "can_flush", "can_fua", "can_trim", "can_zero", "can_fast_zero", "can_df"]
    {
        assert_eq!(first[able], true, "{able}");
    }
    assert_eq!((&exports[1]["is_read_only"], &exports[1]["can_multi_conn"]), (&true.into(), &true.into()));

    let map = run(Command::new("nbdinfo").args(["--map", "--json"]).arg(uri(&server, "disk"))).await;
    let map: serde_json::Value = serde_json::from_str(&map).unwrap();
    let runs: Vec<_> = map
        .as_array()
        .unwrap()
        .iter()
        .map(|run| (run["offset"].as_u64(), run["length"].as_u64(), run["type"].as_u64()))
        .collect();
    let run = |offset: u64, len: u64, kind| (Some(offset << 20), Some(len << 20), Some(kind));
    assert_eq!(runs, [run(0, 1, 0), run(1, 6, 3), run(7, 1, 0)]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nbdcopy_with_our_server() {
    if !have(&["nbdcopy"]) {
        return;
    }
    let (disk, server) = sparse_server();
    let dir = tempfile::tempdir().unwrap();
    let (out, new) = (dir.path().join("out.img"), dir.path().join("new.img"));
    run(Command::new("nbdcopy").arg(uri(&server, "frozen")).arg(&out)).await;
    assert!(std::fs::read(&out).unwrap() == sparse_bytes());
    std::fs::write(&new, pattern(7, 8 * MIB)).unwrap();
    run(Command::new("nbdcopy").arg("--flush").arg(&new).arg(uri(&server, "disk"))).await;
    assert!(*disk.bytes.lock().unwrap() == pattern(7, 8 * MIB));
    assert!(disk.flushes.load(std::sync::atomic::Ordering::SeqCst) > 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn qemu_img_and_qemu_io_with_our_server() {
    if !have(&["qemu-img", "qemu-io"]) {
        return;
    }
    let (disk, server) = sparse_server();
    let dir = tempfile::tempdir().unwrap();
    let (out, new) = (dir.path().join("out.img"), dir.path().join("new.img"));
    let qemu_img = |arguments: &[&str]| {
        let mut command = Command::new("qemu-img");
        command.args(arguments);
        command
    };
    let read = uri(&server, "disk");
    run(qemu_img(&["convert", "-f", "raw", "-O", "raw"]).arg(&read).arg(&out)).await;
    assert!(std::fs::read(&out).unwrap() == sparse_bytes());
    let map = run(qemu_img(&["map", "--output=json", "-f", "raw"]).arg(&read)).await;
    let map: serde_json::Value = serde_json::from_str(&map).unwrap();
    assert_eq!(
        (&map[1]["start"], &map[1]["length"], &map[1]["zero"]),
        (&(1 << 20).into(), &(6 << 20).into(), &true.into())
    );

    let script = [
        "write -P 0x5a 1M 64k",
        "write -f -P 0x5b 2M 4k",
        "write -z 4k 8k",
        "write -z -u 16k 4k",
        "discard 32k 64k",
        "flush",
        "read -P 0x5a 1M 64k",
    ];
    let mut command = Command::new("qemu-io");
    command.args(["-f", "raw"]);
    for line in script {
        command.args(["-c", line]);
    }
    let said = run(command.arg(&read)).await;
    assert!(!said.contains("failed") && !said.contains("error"), "{said}");
    let mut expected = sparse_bytes();
    expected[MIB..MIB + (64 << 10)].fill(0x5a);
    expected[2 * MIB..2 * MIB + 4096].fill(0x5b);
    for (start, end) in [(4, 12), (16, 20), (32, 96)] {
        expected[start << 10..end << 10].fill(0);
    }
    assert!(*disk.bytes.lock().unwrap() == expected);

    std::fs::write(&new, pattern(3, 8 * MIB)).unwrap();
    run(qemu_img(&["convert", "-n", "-f", "raw", "-O", "raw", "-W", "-m", "8"]).arg(&new).arg(&read)).await;
    assert!(*disk.bytes.lock().unwrap() == pattern(3, 8 * MIB));
    server.stop().await;
}

/// Reads and writes through `serve_plain`: the server half of the `nbd` crate.
async fn with_plain<T>(file: &Path, read_only: bool, client: impl AsyncFnOnce(Uri) -> T) -> T {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("plain.sock");
    let listener = StdUnixListener::bind(&socket).unwrap();
    let disk = std::fs::OpenOptions::new().read(true).write(!read_only).open(file).unwrap();
    let serving = tokio::task::spawn_blocking(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let size = disk.metadata().unwrap().len();
        compat::serve_plain(stream, disk, size, read_only)
    });
    let result = client(Uri::unix(&socket, compat::PLAIN_EXPORT)).await;
    serving.await.unwrap().unwrap();
    result
}

#[tokio::test]
async fn our_client_falls_back_to_what_the_nbd_crate_serves() {
    let dir = tempfile::tempdir().unwrap();
    let file = sparse_file(&dir);
    with_plain(&file, false, async |uri| {
        // GO, structured replies and block status are asked for, and refused.
        let client = Client::connect(&uri, &ClientOptions::default()).await.unwrap();
        assert_eq!((client.size(), client.connections(), client.read_only()), (8 << 20, 1, false));
        assert!(!BlockSource::capabilities(&client).extents);
        assert!(read_all(&client).await == sparse_bytes());
        client.write(MIB as u64, Buffer::from(pattern(MIB as u64, 3 * MIB))).await.unwrap();
        // Written, for want of write zeroes.
        client.zero(ByteRange::new(0, 100), ZeroMode::Hole).await.unwrap();
        client.flush().await.unwrap();
        client.close().await.unwrap();
    })
    .await;
    let mut expected = sparse_bytes();
    expected[MIB..4 * MIB].copy_from_slice(&pattern(MIB as u64, 3 * MIB));
    expected[..100].fill(0);
    assert!(std::fs::read(&file).unwrap() == expected);
}

#[tokio::test]
async fn nbdcopy_reads_the_plain_export() {
    if !have(&["nbdcopy"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (sparse_file(&dir), dir.path().join("out.img"));
    with_plain(&file, true, async |uri| {
        run(Command::new("nbdcopy").arg(uri.to_string()).arg(&out)).await;
    })
    .await;
    assert!(std::fs::read(&out).unwrap() == sparse_bytes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_of_the_nbd_crate_with_our_server() {
    let (disk, server) = sparse_server();
    let socket = server.socket.clone();
    let talk = tokio::task::spawn_blocking(move || {
        let mut stream = StdUnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let export = nbd::client::handshake(&mut stream, b"disk").unwrap();
        assert_eq!((export.size, export.readonly, export.send_flush), (8 << 20, false, true));
        let mut client = nbd::client::NbdClient::new(&mut stream, &export);
        let mut bytes = vec![0; 8 * MIB];
        client.read_exact(&mut bytes).unwrap();
        assert!(bytes == sparse_bytes());
        client.seek(SeekFrom::Start(3 * MIB as u64)).unwrap();
        client.write_all(&pattern(3, 1000)).unwrap();
        client.flush().unwrap();
    });
    talk.await.unwrap();
    assert!(disk.bytes.lock().unwrap()[3 * MIB..3 * MIB + 1000] == pattern(3, 1000));
    server.stop().await;
}

#[tokio::test]
async fn a_client_is_a_source_for_a_server() {
    // A proxy: our client's capabilities are our server's.
    let (disk, server) = sparse_server();
    let client = Arc::new(Client::connect(&server.uri, &ours::ClientOptions::default()).await.unwrap());
    let proxy = Running::start(vec![Export::writable("", client.clone(), client)], ServerOptions::default());
    let client = Client::connect(&proxy.uri, &ClientOptions::default()).await.unwrap();
    assert!(read_all(&client).await == sparse_bytes());
    assert_eq!(all_extents(&client).await, sparse_extents());
    let expected = scribble(&client).await;
    assert!(*disk.bytes.lock().unwrap() == expected);
    client.close().await.unwrap();
    proxy.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn a_disk_of_nbdkit_goes_to_qemu_nbd_through_the_kernel() {
    if !have(&["nbdkit", "qemu-nbd"]) {
        return;
    }
    let dir = TempDir::new().unwrap();
    let file = sparse_file(&dir);
    let (from, to, target) = (dir.path().join("from"), dir.path().join("to"), dir.path().join("target.img"));
    std::fs::write(&target, vec![0xee; 8 * MIB]).unwrap();
    let mut command = Command::new("nbdkit");
    command.args(["--foreground", "--exit-with-parent", "--unix"]).arg(&from).arg("file").arg(&file);
    let _nbdkit = Peer::serve(&mut command, &from).await;
    let mut command = Command::new("qemu-nbd");
    command.args(["--persistent", "--shared=0", "--format=raw", "--socket"]).arg(&to).arg(&target);
    let _qemu = Peer::serve(&mut command, &to).await;
    let client = Arc::new(Client::connect(&Uri::unix(&from, ""), &ClientOptions::default()).await.unwrap());
    let sink = Arc::new(Client::connect(&Uri::unix(&to, ""), &ClientOptions::default()).await.unwrap());
    let splices =
        BlockSource::capabilities(client.as_ref()).splice && BlockSink::capabilities(sink.as_ref()).splice;
    assert!(splices, "both have sockets and blocks of one byte");
    let builder = Transfer::builder().source(client).sink(Arc::clone(&sink) as _);
    builder.build().unwrap().run().await.unwrap();
    sink.close().await.unwrap();
    assert!(std::fs::read(&target).unwrap() == sparse_bytes());
}
