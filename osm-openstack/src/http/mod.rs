//! One HTTP exchange and everything that can go wrong with it.
//!
//! [`Request`] is what the services' modules build; [`client`] sends it and
//! repeats it as [`retry`] allows; [`failure`] turns a refusal into an error;
//! [`paging`] follows a list over its pages. Nothing here knows of tokens.

mod call;
mod client;
mod failure;
mod paging;
mod request;
mod response;
mod retry;
mod tls;

pub(crate) use call::{Body, Call};
pub use client::HttpClient;
pub(crate) use paging::Pages;
pub use request::Request;
pub use response::{Download, Response};
pub use retry::RetryPolicy;
