//! Buffers that return to their pool.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// Memory of one request; returns to its pool when dropped.
pub struct Buffer {
    bytes: Vec<u8>,
    len: usize,
    pool: Option<Arc<Shelf>>,
}

/// Buffers of one capacity, kept for reuse so that a copy does not allocate while it runs.
#[derive(Debug, Clone)]
pub struct BufferPool {
    shelf: Arc<Shelf>,
}

struct Shelf {
    capacity: usize,
    free: Mutex<Vec<Vec<u8>>>,
}

impl Buffer {
    /// A buffer of its own, of `len` zero bytes, that belongs to no pool.
    pub fn zeroed(len: usize) -> Self {
        Self { bytes: vec![0; len], len, pool: None }
    }

    /// Shortens the buffer to its first `len` bytes; longer than it is changes nothing.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self { len: bytes.len(), bytes, pool: None }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(shelf) = self.pool.take() {
            shelf.free.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut self.bytes));
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.len)
    }
}

impl BufferPool {
    /// A pool of buffers of up to `capacity` bytes.
    pub fn new(capacity: usize) -> Self {
        Self { shelf: Arc::new(Shelf { capacity, free: Mutex::new(Vec::new()) }) }
    }

    /// A buffer of `len` bytes with unspecified contents; `len` beyond the capacity of the pool gives a
    /// buffer that belongs to none.
    pub fn take(&self, len: usize) -> Buffer {
        if len > self.shelf.capacity {
            return Buffer::zeroed(len);
        }
        let recycled = self.shelf.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = recycled.unwrap_or_else(|| vec![0; self.shelf.capacity]);
        Buffer { bytes, len, pool: Some(Arc::clone(&self.shelf)) }
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_handed_out_again() {
        let pool = BufferPool::new(8);
        let mut buffer = pool.take(4);
        buffer.copy_from_slice(b"abcd");
        drop(buffer);
        assert_eq!(&pool.take(2)[..], b"ab");
    }

    #[test]
    fn a_buffer_larger_than_the_pool_stands_alone() {
        let pool = BufferPool::new(8);
        assert_eq!(pool.take(9).len(), 9);
        assert_eq!(pool.take(8).len(), 8);
    }
}
