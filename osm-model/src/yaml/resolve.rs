//! What a plain scalar means: the YAML 1.1 resolver as PyYAML has it.

/// The type of a plain scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolved {
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int,
    /// Any other number.
    Float,
    /// A string; or a date, a merge key or a value key, which must be quoted to be strings.
    Text,
}

/// The type that a plain scalar has.
pub(crate) fn resolve(text: &str) -> Resolved {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Resolved::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Resolved::Bool(false);
        }
        _ => {}
    }
    if is_int(text) {
        Resolved::Int
    } else if is_float(text) {
        Resolved::Float
    } else {
        Resolved::Text
    }
}

/// The length of the tag of a plain scalar, as PyYAML counts it.
pub(crate) fn tag_len(text: &str) -> usize {
    match resolve(text) {
        Resolved::Null => "!!null",
        Resolved::Bool(_) => "!!bool",
        Resolved::Int => "!!int",
        Resolved::Float => "!!float",
        Resolved::Text => "!!str",
    }
    .len()
}

/// Whether a string needs quotes to stay one.
pub(crate) fn needs_quotes(text: &str) -> bool {
    resolve(text) != Resolved::Text || is_timestamp(text) || matches!(text, "<<" | "=" | "!" | "&" | "*")
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}

fn all(text: &str, accept: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(accept)
}

fn digits(text: &str) -> bool {
    all(text, |byte| byte.is_ascii_digit())
}

/// `[0-9][0-9_]*`
fn grouped(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
        && all(text, |byte| byte.is_ascii_digit() || byte == b'_')
}

/// `(?::[0-5]?[0-9])+`, split at its colons.
fn sexagesimal_tail<'a>(parts: impl Iterator<Item = &'a str>) -> bool {
    let mut any = false;
    for part in parts {
        let fits = match part.as_bytes() {
            [digit] => digit.is_ascii_digit(),
            [tens, digit] => (b'0'..=b'5').contains(tens) && digit.is_ascii_digit(),
            _ => false,
        };
        if !fits {
            return false;
        }
        any = true;
    }
    any
}

fn is_int(text: &str) -> bool {
    let body = unsigned(text);
    if let Some(rest) = body.strip_prefix("0b") {
        return all(rest, |byte| matches!(byte, b'0' | b'1' | b'_'));
    }
    if let Some(rest) = body.strip_prefix("0x") {
        return all(rest, |byte| byte.is_ascii_hexdigit() || byte == b'_');
    }
    if let Some(rest) = body.strip_prefix('0') {
        return rest.is_empty() || all(rest, |byte| matches!(byte, b'0'..=b'7' | b'_'));
    }
    let mut parts = body.split(':');
    let head = parts.next().unwrap_or_default();
    grouped(head) && (head.len() == body.len() || sexagesimal_tail(parts))
}

fn is_float(text: &str) -> bool {
    let body = unsigned(text);
    if matches!(body, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (body, None),
    };
    if let Some(exponent) = exponent {
        let signed = exponent.strip_prefix(['-', '+']);
        if !signed.is_some_and(digits) {
            return false;
        }
    }
    let Some((whole, fraction)) = mantissa.split_once('.') else { return false };
    if whole.is_empty() {
        return body.len() == text.len() && grouped(fraction);
    }
    if !fraction.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
        return false;
    }
    let mut parts = whole.split(':');
    let head = parts.next().unwrap_or_default();
    grouped(head) && (head.len() == whole.len() || (exponent.is_none() && sexagesimal_tail(parts)))
}

fn is_timestamp(text: &str) -> bool {
    let Some((year, rest)) = text.split_once('-') else { return false };
    if year.len() != 4 || !digits(year) {
        return false;
    }
    let Some((month, rest)) = rest.split_once('-') else { return false };
    if !(digits(month) && month.len() <= 2) {
        return false;
    }
    let day_len = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (day, time) = rest.split_at(day_len);
    if time.is_empty() {
        return month.len() == 2 && day.len() == 2;
    }
    (1..=2).contains(&day.len()) && is_time_of_day(time)
}

fn is_time_of_day(time: &str) -> bool {
    let clock = match time.strip_prefix(['T', 't']) {
        Some(clock) => clock,
        None => {
            let clock = time.trim_start_matches([' ', '\t']);
            if clock.len() == time.len() {
                return false;
            }
            clock
        }
    };
    let mut parts = clock.splitn(3, ':');
    let (Some(hour), Some(minute), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    if !(digits(hour) && hour.len() <= 2 && digits(minute) && minute.len() == 2) {
        return false;
    }
    let Some((second, rest)) = rest.split_at_checked(2) else { return false };
    if !digits(second) {
        return false;
    }
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|digit: char| digit.is_ascii_digit()),
        None => rest,
    };
    is_zone(rest)
}

/// `(?:[ \t]*(?:Z|[-+][0-9][0-9]?(?::[0-9][0-9])?))?`
fn is_zone(text: &str) -> bool {
    if text.is_empty() {
        return true;
    }
    let zone = text.trim_start_matches([' ', '\t']);
    if zone == "Z" {
        return true;
    }
    let Some(offset) = zone.strip_prefix(['-', '+']) else { return false };
    let (hours, minutes) = match offset.split_once(':') {
        Some((hours, minutes)) => (hours, Some(minutes)),
        None => (offset, None),
    };
    digits(hours) && hours.len() <= 2 && minutes.is_none_or(|minutes| digits(minutes) && minutes.len() == 2)
}

/// The value of a scalar that resolves to a whole number.
pub(crate) fn integer(text: &str) -> Option<i128> {
    if !is_int(text) {
        return None;
    }
    let clean: String = text.chars().filter(|digit| *digit != '_').collect();
    let negative = clean.starts_with('-');
    let body = unsigned(&clean);
    let value = if let Some(rest) = body.strip_prefix("0b") {
        i128::from_str_radix(rest, 2).ok()?
    } else if let Some(rest) = body.strip_prefix("0x") {
        i128::from_str_radix(rest, 16).ok()?
    } else if body.len() > 1 && body.starts_with('0') {
        i128::from_str_radix(body, 8).ok()?
    } else {
        let mut value = 0_i128;
        for part in body.split(':') {
            value = value.checked_mul(60)?.checked_add(part.parse().ok()?)?;
        }
        value
    };
    Some(if negative { -value } else { value })
}

/// The value of a scalar that resolves to any number.
pub(crate) fn number(text: &str) -> Option<f64> {
    if let Some(value) = integer(text) {
        return value.to_string().parse().ok();
    }
    if !is_float(text) {
        return None;
    }
    let clean: String = text.chars().filter(|digit| *digit != '_').collect::<String>().to_lowercase();
    let body = unsigned(&clean);
    let value = match body {
        ".inf" => f64::INFINITY,
        ".nan" => f64::NAN,
        _ => {
            let mut value = 0.0;
            for part in body.split(':') {
                value = value * 60.0 + part.parse::<f64>().ok()?;
            }
            value
        }
    };
    Some(if clean.starts_with('-') { -value } else { value })
}

/// A number as Python writes it, so that it is read back as one.
pub(crate) fn float_text(value: f64) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let (digits, exponent) = shortest_digits(value.abs());
    let split = |at: usize| digits.split_at_checked(at).unwrap_or((&digits, ""));
    match exponent {
        0..16 => {
            let whole = usize::try_from(exponent + 1).unwrap_or_default();
            let (head, tail) = split(whole);
            let fraction = if tail.is_empty() { "0" } else { tail };
            format!("{sign}{head:0<whole$}.{fraction}")
        }
        -4..0 => {
            let zeros = usize::try_from(-exponent - 1).unwrap_or_default();
            format!("{sign}0.{}{digits}", "0".repeat(zeros))
        }
        _ => {
            let (head, tail) = split(1);
            let fraction = if tail.is_empty() { "0" } else { tail };
            let direction = if exponent < 0 { '-' } else { '+' };
            format!("{sign}{head}.{fraction}e{direction}{:02}", exponent.abs())
        }
    }
}

/// The shortest digits that stand for a number, and the exponent of the first.
///
/// The standard library breaks a tie between two such texts by another rule than Python, the
/// JSON writer by the same.
fn shortest_digits(value: f64) -> (String, i32) {
    let text = serde_json::Number::from_f64(value).map(|number| number.to_string()).unwrap_or_default();
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let shift = i32::try_from(whole.len()).unwrap_or_default() - 1;
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    let zeros = i32::try_from(all.len() - significant.len()).unwrap_or_default();
    let digits = significant.trim_end_matches('0');
    if digits.is_empty() {
        return ("0".to_owned(), 0);
    }
    (digits.to_owned(), exponent.parse::<i32>().unwrap_or_default() + shift - zeros)
}
