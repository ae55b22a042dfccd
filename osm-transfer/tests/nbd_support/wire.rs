//! A server's end of a connection, byte by byte: written from the specification, not from our codec.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

pub const SIZE: u64 = 1 << 20;
/// HAS_FLAGS, SEND_FLUSH, SEND_TRIM, SEND_WRITE_ZEROES.
pub const FLAGS: u16 = 0x65;

/// The server's end of a connection.
pub struct Wire(pub UnixStream);

pub struct Request {
    pub command: u16,
    pub cookie: u64,
    pub offset: u64,
    pub len: u32,
}

impl Wire {
    pub async fn send(&mut self, parts: &[&[u8]]) {
        // The client may have given up already.
        let _ = self.0.write_all(&parts.concat()).await;
    }

    pub async fn greet(&mut self) {
        self.send(&[b"NBDMAGICIHAVEOPT", &3u16.to_be_bytes()]).await;
        let mut flags = [0; 4];
        self.0.read_exact(&mut flags).await.unwrap();
        assert_eq!(flags, [0, 0, 0, 3]);
    }

    /// The next option and its data.
    pub async fn option(&mut self) -> (u32, Vec<u8>) {
        let mut header = [0; 16];
        self.0.read_exact(&mut header).await.unwrap();
        assert_eq!(&header[..8], b"IHAVEOPT");
        let option = u32::from_be_bytes(header[8..12].try_into().unwrap());
        let len = u32::from_be_bytes(header[12..].try_into().unwrap());
        let mut data = vec![0; len as usize];
        self.0.read_exact(&mut data).await.unwrap();
        (option, data)
    }

    pub async fn reply(&mut self, option: u32, kind: u32, data: &[u8]) {
        let len = data.len() as u32;
        let (option, kind) = (option.to_be_bytes(), kind.to_be_bytes());
        self.send(&[&0x3e889045565a9u64.to_be_bytes(), &option, &kind, &len.to_be_bytes(), data]).await;
    }

    /// A whole, good handshake; with structured replies and block status or without.
    pub async fn enter(&mut self, structured: bool) {
        self.enter_sized(structured, SIZE).await;
    }

    pub async fn enter_sized(&mut self, structured: bool, size: u64) {
        self.greet().await;
        loop {
            match self.option().await.0 {
                8 if structured => self.reply(8, 1, &[]).await,
                10 => {
                    self.reply(10, 4, &[&7u32.to_be_bytes()[..], b"base:allocation"].concat()).await;
                    self.reply(10, 1, &[]).await;
                }
                7 => {
                    let info = [&[0, 0][..], &size.to_be_bytes(), &FLAGS.to_be_bytes()].concat();
                    self.reply(7, 3, &info).await;
                    return self.reply(7, 1, &[]).await;
                }
                option => self.reply(option, 0x8000_0001, &[]).await,
            }
        }
    }

    pub async fn request(&mut self) -> Request {
        let mut bytes = [0; 28];
        self.0.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes[..4], 0x25609513u32.to_be_bytes());
        Request {
            command: u16::from_be_bytes(bytes[6..8].try_into().unwrap()),
            cookie: u64::from_be_bytes(bytes[8..16].try_into().unwrap()),
            offset: u64::from_be_bytes(bytes[16..24].try_into().unwrap()),
            len: u32::from_be_bytes(bytes[24..].try_into().unwrap()),
        }
    }

    pub async fn simple(&mut self, error: u32, cookie: u64, payload: &[u8]) {
        let (magic, error) = (0x67446698u32.to_be_bytes(), error.to_be_bytes());
        self.send(&[&magic, &error, &cookie.to_be_bytes(), payload]).await;
    }

    pub async fn chunk(&mut self, done: bool, kind: u16, cookie: u64, payload: &[u8]) {
        self.chunk_claiming(done, kind, cookie, payload.len() as u32, payload).await;
    }

    pub async fn chunk_claiming(&mut self, done: bool, kind: u16, cookie: u64, len: u32, payload: &[u8]) {
        let magic = 0x668e33efu32.to_be_bytes();
        let (flags, kind) = (u16::from(done).to_be_bytes(), kind.to_be_bytes());
        self.send(&[&magic, &flags, &kind, &cookie.to_be_bytes(), &len.to_be_bytes(), payload]).await;
    }

    /// Waits until the client hangs up, so that it is not the server who ends things.
    pub async fn linger(&mut self) {
        let mut rest = [0; 4096];
        while self.0.read(&mut rest).await.is_ok_and(|count| count > 0) {}
    }
}
