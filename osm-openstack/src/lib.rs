//! Speaks to one OpenStack cloud: configuration, sessions, services, and the
//! export and import of a tenant's resources.
//!
//! ```text
//! clouds.yaml, OS_*  ->  CloudConfig  ->  Session  ->  Service  ->  Request  ->  Response
//!    [config]                             token,       endpoint,    retry,
//!                                         catalog      microversion paging
//! ```
//!
//! [`Session`] is the principal type: cheap to clone, it keeps the token
//! fresh and knows where each service is. The modules named after services
//! give typed access to them; [`export`] and [`import`] turn their objects
//! into the resources of `osm-model` and back.
//!
//! What always holds: each request has a deadline, a request is repeated only
//! when that cannot do its work twice, and no secret is ever printed.
#![forbid(unsafe_code)]

mod auth;
mod catalog;
pub mod config;
mod discovery;
mod error;
mod http;
mod lenient;
mod session;
mod wait;

pub mod block_storage;
pub mod compute;
pub mod export;
pub mod identity;
pub mod image;
pub mod import;
pub mod network;
pub mod reference;

pub use auth::{
    Authenticator, Credentials, DomainIdentity, DomainRef, ProjectRef, Scope, Token, UserIdentity, UserRef,
};
pub use config::{CloudConfig, ConfigSources, Interface};
pub use discovery::{Microversion, MicroversionRange};
pub use error::{Context, Error, ErrorKind, Result, Retry};
pub use http::{Download, HttpClient, Request, Response, RetryPolicy};
pub use reqwest::{Method, StatusCode};
pub use session::{Service, ServiceKind, Session};
pub use wait::{Deadline, Observation, Poll, wait_for};
