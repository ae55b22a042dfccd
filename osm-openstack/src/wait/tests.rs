use super::*;

#[tokio::test(start_paused = true)]
async fn looks_until_ready() {
    let mut looks = 0;
    let value = wait_for("server s", Duration::from_secs(60), Poll::default(), || {
        looks += 1;
        let seen = if looks == 4 { Observation::Ready(looks) } else { Observation::Pending("BUILD".to_owned()) };
        async { Ok(seen) }
    })
    .await
    .unwrap();
    assert_eq!(value, 4);
}

#[tokio::test(start_paused = true)]
async fn a_passed_deadline_names_the_last_state() {
    let started = Instant::now();
    let error = wait_for::<(), _, _>("volume v", Duration::from_secs(30), Poll::default(), || async {
        Ok(Observation::Pending("creating".to_owned()))
    })
    .await
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.to_string(), "volume v was not ready within 30s, last seen creating");
    assert_eq!(started.elapsed(), Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_look_that_hangs_ends_at_the_deadline() {
    let error = wait_for::<(), _, _>("volume v", Duration::from_secs(30), Poll::default(), || async {
        std::future::pending::<()>().await;
        Ok(Observation::Ready(()))
    })
    .await
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn a_failed_object_says_status_and_fault() {
    let error = wait_for::<(), _, _>("server s", Duration::from_secs(30), Poll::default(), || async {
        Ok(Observation::failed("ERROR", Some("No valid host was found.")))
    })
    .await
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
    assert_eq!(error.to_string(), "server s failed: status ERROR: No valid host was found.");
}

#[tokio::test(start_paused = true)]
async fn a_passing_error_is_waited_out_and_a_final_one_is_not() {
    let mut looks = 0;
    let value = wait_for("server s", Duration::from_secs(60), Poll::default(), || {
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

    let error = wait_for::<(), _, _>("server s", Duration::from_secs(60), Poll::default(), || async {
        Err(Error::new(ErrorKind::Forbidden, "no"))
    })
    .await
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
}
