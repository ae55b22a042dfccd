use super::*;

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(30);

fn quickly() -> Poll {
    Poll::growing(Duration::from_millis(1), Duration::from_millis(3))
}

#[tokio::test]
async fn looks_until_ready() {
    let mut looks = 0;
    let value = wait_for("server s", LONG, quickly(), || {
        looks += 1;
        let seen =
            if looks == 4 { Observation::Ready(looks) } else { Observation::Pending("BUILD".to_owned()) };
        async { Ok(seen) }
    })
    .await
    .unwrap();
    assert_eq!(value, 4);
}

#[tokio::test]
async fn a_passed_deadline_names_the_last_state() {
    let started = Instant::now();
    let error = wait_for::<(), _, _>("volume v", SHORT, quickly(), || async {
        Ok(Observation::Pending("creating".to_owned()))
    })
    .await
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.to_string(), "volume v was not ready within 30ms, last seen creating");
    assert!(started.elapsed() >= SHORT && started.elapsed() < LONG);
}

#[tokio::test]
async fn a_look_that_hangs_ends_at_the_deadline() {
    let error = wait_for::<(), _, _>("volume v", SHORT, quickly(), || async {
        std::future::pending::<()>().await;
        Ok(Observation::Ready(()))
    })
    .await
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn a_failed_object_says_status_and_fault() {
    let error = wait_for::<(), _, _>("server s", LONG, quickly(), || async {
        Ok(Observation::failed("ERROR", Some("No valid host was found.")))
    })
    .await
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
    assert_eq!(error.to_string(), "server s failed: status ERROR: No valid host was found.");
}

#[tokio::test]
async fn a_passing_error_is_waited_out_and_a_final_one_is_not() {
    let mut looks = 0;
    let value = wait_for("server s", LONG, quickly(), || {
        looks += 1;
        let seen = if looks < 3 {
            Err(Error::new(ErrorKind::ServerFault, "away").with_retry(Retry::Exhausted))
        } else {
            Ok(Observation::Ready(looks))
        };
        async { seen }
    })
    .await
    .unwrap();
    assert_eq!(value, 3);

    let error = wait_for::<(), _, _>("server s", LONG, quickly(), || async {
        Err(Error::new(ErrorKind::Forbidden, "no"))
    })
    .await
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
}

#[test]
fn looks_ever_more_slowly_up_to_a_limit() {
    let poll = Poll::growing(Duration::from_millis(100), Duration::from_millis(250));
    let second = poll.next(poll.first);
    assert_eq!(second, Duration::from_millis(160));
    assert_eq!(poll.next(second), Duration::from_millis(250));
    assert_eq!(Poll::every(SHORT).next(SHORT), SHORT);
}
