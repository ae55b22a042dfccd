//! Whether a server answers on a port, as seen from the conversion host.

use std::time::Duration;

use futures_util::future::select_ok;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(3);

/// How long to wait between attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// Tries to connect until one of the addresses answers or the time is over.
pub(super) async fn reach(addresses: &[String], port: u16, wait: Duration) -> bool {
    let deadline = Instant::now() + wait;
    while !addresses.is_empty() {
        let attempts = addresses.iter().map(|address| {
            Box::pin(async move {
                match timeout(ATTEMPT, TcpStream::connect((address.as_str(), port))).await {
                    Ok(Ok(_)) => Ok(()),
                    _ => Err(()),
                }
            })
        });
        if select_ok(attempts).await.is_ok() {
            return true;
        }
        if Instant::now() >= deadline {
            break;
        }
        sleep(PAUSE).await;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_address_that_answers_suffices() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let addresses = ["127.0.0.2".to_owned(), "127.0.0.1".to_owned()];
        assert!(reach(&addresses, port, Duration::from_secs(5)).await);
        drop(listener);
        assert!(!reach(&addresses, port, Duration::from_millis(100)).await);
        assert!(!reach(&[], port, Duration::from_secs(100)).await, "there is nobody to answer");
    }
}
