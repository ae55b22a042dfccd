//! The one error type of this crate: kind, retry, context, source.

use std::error::Error as StdError;
use std::fmt;

/// What went wrong, coarse enough to branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text is not YAML, or not a resource file.
    Syntax,
    /// A resource names no type, or one that does not exist.
    UnknownType,
    /// The file was written by another version of the format.
    Version,
    /// A member is missing, unknown, empty or of the wrong type.
    Field,
    /// A reference is malformed.
    Reference,
    /// Two resources would be imported as one.
    Duplicate,
    /// A name filter cannot be understood.
    Filter,
}

/// Whether trying again can help; decided where the fact is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same call will fail again.
    Never,
}

/// Where it went wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// The file.
    pub file: Option<String>,
    /// Line in the file, from 1.
    pub line: Option<usize>,
    /// Column in the line, from 1.
    pub column: Option<usize>,
    /// Position of the resource in the file, from 0.
    pub resource: Option<usize>,
    /// Type of the resource.
    pub type_name: Option<String>,
    /// Name of the resource.
    pub name: Option<String>,
    /// Source id of the resource.
    pub id: Option<String>,
    /// Path of the member inside the resource: `params.ports[0].params.mac_address`.
    pub field: Option<String>,
}

/// A fault in a resource file, a reference or a filter.
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    retry: Retry,
    message: String,
    context: Context,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind`; `message` says what failed and how to mend it, without context.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let inner = Inner {
            kind,
            retry: Retry::Never,
            message: message.into(),
            context: Context::default(),
            source: None,
        };
        Self { inner: Box::new(inner) }
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// The same error naming the file.
    #[must_use]
    pub fn with_file(mut self, file: impl Into<String>) -> Self {
        self.inner.context.file = Some(file.into());
        self
    }

    /// The same error naming line and column, both from 1.
    #[must_use]
    pub fn with_position(mut self, line: usize, column: usize) -> Self {
        self.inner.context.line = Some(line);
        self.inner.context.column = Some(column);
        self
    }

    /// The same error in another context.
    #[must_use]
    pub fn with_context(mut self, context: Context) -> Self {
        self.inner.context = context;
        self
    }

    /// The same error naming the member concerned.
    #[must_use]
    pub fn with_field(mut self, path: impl Into<String>) -> Self {
        self.inner.context.field = Some(path.into());
        self
    }

    /// What went wrong, for control flow.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Whether trying again can help: a fault in a file stays until someone mends it.
    pub fn retry(&self) -> Retry {
        self.inner.retry
    }

    /// What failed, without context.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// Where it went wrong.
    pub fn context(&self) -> &Context {
        &self.inner.context
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        if let Some(file) = &self.file {
            write!(f, "in {file}")?;
            gap = ", ";
        }
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "{gap}line {line} column {column}")?;
            gap = ", ";
        }
        if let Some(index) = self.resource {
            write!(f, "{gap}resource {index}")?;
            gap = ", ";
        }
        if let Some(type_name) = &self.type_name {
            let part = |part: &Option<String>| part.clone().unwrap_or_default();
            write!(f, "{gap}{type_name}:{}:{}", part(&self.name), part(&self.id))?;
            gap = ", ";
        }
        if let Some(field) = &self.field {
            write!(f, "{gap}at {field}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)?;
        if self.inner.context == Context::default() {
            return Ok(());
        }
        write!(f, ", {}", self.inner.context)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, retry, message, context, source } = &*self.inner;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("retry", retry)
            .field("message", message)
            .field("context", context)
            .field("source", source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
