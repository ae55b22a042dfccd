//! See the package's own files.
