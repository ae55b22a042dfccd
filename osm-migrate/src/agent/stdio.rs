//! Standard input and output as one byte stream, whatever they are.
//!
//! Between agents they are the two ends of one socket pair; under sshd they are pipes or two
//! sockets. Both are used without blocking threads; anything else goes through tokio's.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream as StdStream;

use osm_transfer::packed::{PackedWriter, UnpackedReader};
use rustix::fs::{FileType, fstat};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

use super::link::Streams;
use crate::Result;

pub(super) type Reader = Box<dyn AsyncRead + Send + Unpin>;
pub(super) type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// Standard input and output, to be read and written. To be called once.
pub(super) fn open() -> Result<(Reader, Writer)> {
    let (input, output) = (std::io::stdin(), std::io::stdout());
    Ok((reader(input.as_fd())?, writer(output.as_fd())?))
}

/// Streams that are compressed on the way, if they shall be.
pub(super) fn packed(compress: bool, streams: Streams) -> Result<Streams> {
    if !compress {
        return Ok(streams);
    }
    let pack = |(reader, writer)| -> Result<(Reader, Writer)> {
        Ok((Box::new(UnpackedReader::new(reader)?), Box::new(PackedWriter::new(writer)?)))
    };
    streams.into_iter().map(pack).collect()
}

/// A duplicate, so that the process's own descriptors stay as they are.
fn reader(fd: BorrowedFd<'_>) -> Result<Reader> {
    Ok(match file_type(fd)? {
        FileType::Socket => Box::new(socket(fd)?),
        FileType::Fifo => Box::new(pipe::Receiver::from_owned_fd(fd.try_clone_to_owned()?)?),
        _ => Box::new(tokio::io::stdin()),
    })
}

fn writer(fd: BorrowedFd<'_>) -> Result<Writer> {
    Ok(match file_type(fd)? {
        FileType::Socket => Box::new(socket(fd)?),
        FileType::Fifo => Box::new(pipe::Sender::from_owned_fd(fd.try_clone_to_owned()?)?),
        _ => Box::new(tokio::io::stdout()),
    })
}

fn socket(fd: BorrowedFd<'_>) -> Result<UnixStream> {
    let stream = StdStream::from(fd.try_clone_to_owned()?);
    stream.set_nonblocking(true)?;
    Ok(UnixStream::from_std(stream)?)
}

fn file_type(fd: BorrowedFd<'_>) -> Result<FileType> {
    let stat = fstat(fd).map_err(std::io::Error::from)?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn both_directions_of_a_socket_pair_are_used() {
        let (near, far) = StdStream::pair().unwrap();
        let (mut read, mut write) = (reader(near.as_fd()).unwrap(), writer(near.as_fd()).unwrap());
        drop(near);
        far.set_nonblocking(true).unwrap();
        let mut far = UnixStream::from_std(far).unwrap();
        write.write_all(b"ask").await.unwrap();
        let mut text = [0; 3];
        far.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"ask");
        far.write_all(b"say").await.unwrap();
        read.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"say");
        drop(far);
        assert_eq!(read.read(&mut text).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn pipes_are_used_as_well() {
        let (read_end, write_end) = std::io::pipe().unwrap();
        let (mut read, mut write) = (reader(read_end.as_fd()).unwrap(), writer(write_end.as_fd()).unwrap());
        write.write_all(b"ask").await.unwrap();
        let mut text = [0; 3];
        read.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"ask");
    }
}
