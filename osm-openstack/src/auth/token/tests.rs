use super::*;

fn token(issued: &str, expires: &str) -> Token {
    let body = format!(
        r#"{{"token":{{"issued_at":"{issued}","expires_at":"{expires}","user":{{"id":"u"}},"methods":["password"]}}}}"#
    );
    Token::from_answer(SecretString::from("hunter2"), body.as_bytes()).unwrap()
}

fn lifetime_left(token: &Token) -> Duration {
    token.renew_at.unwrap().saturating_duration_since(Instant::now())
}

#[test]
fn a_token_is_replaced_two_minutes_early_by_this_machines_clock() {
    // The cloud's clock is years off: only the difference counts.
    let left = lifetime_left(&token("2001-01-01T00:00:00.000000Z", "2001-01-01T01:00:00.000000Z"));
    assert!(left > Duration::from_secs(57 * 60) && left <= Duration::from_secs(58 * 60), "{left:?}");
}

#[test]
fn a_short_lived_token_is_used_for_half_its_life() {
    let left = lifetime_left(&token("2001-01-01T00:00:00Z", "2001-01-01T00:01:00Z"));
    assert!(left > Duration::from_secs(29) && left <= Duration::from_secs(30), "{left:?}");
    assert!(token("2001-01-01T00:00:00Z", "2001-01-01T00:00:00Z").expires_soon());
}

#[test]
fn debug_does_not_show_the_token() {
    let shown = format!("{:?}", token("2001-01-01T00:00:00Z", "2001-01-01T01:00:00Z"));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_real_answer_is_read() {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/golden/public/rest/session.json")).unwrap();
    let mut body = golden["token"].clone();
    body["catalog"] = golden["catalog"].clone();
    let answer = serde_json::json!({ "token": body }).to_string();
    let token = Token::from_answer(SecretString::from("t"), answer.as_bytes()).unwrap();
    assert_eq!(token.user().name, "golden-pub-user");
    assert_eq!(token.project().unwrap().id, "27d981bfd3244e928e255311efd7fb87");
    assert_eq!(token.project().unwrap().domain.name, "Default");
    assert_eq!(token.roles(), ["member", "reader"]);
    assert!(!token.expires_soon());
}
