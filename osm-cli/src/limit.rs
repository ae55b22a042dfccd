//! `--limit`: how many bytes a second may pass, and when.
//!
//! `50M` is a limit for the whole day; `22:00-06:00=500M,50M` is another one at night. The first that
//! fits the local time counts; at other times there is none.

use std::str::FromStr;
use std::time::Duration;

use jiff::Zoned;
use osm_transfer::decorate::Rate;
use tokio::time::sleep;

/// How often the clock is looked at.
const LOOK: Duration = Duration::from_secs(10);

/// Limits by the time of day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limit(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    /// Minutes of the day from which and to which it counts; always, without.
    minutes: Option<(u16, u16)>,
    /// Bytes a second; none: no limit.
    rate: Option<u64>,
}

impl Limit {
    /// The rate of this minute of the day.
    fn at(&self, minute: u16) -> Option<u64> {
        self.0.iter().find(|part| part.counts_at(minute)).and_then(|part| part.rate)
    }

    /// The rate of now.
    pub(crate) fn now(&self) -> Option<u64> {
        let now = Zoned::now();
        self.at(u16::from(now.hour().unsigned_abs()) * 60 + u16::from(now.minute().unsigned_abs()))
    }

    /// Keeps a rate at what the time of day allows; never ends.
    pub(crate) async fn keep(self, rate: Rate) {
        loop {
            let allowed = self.now();
            if rate.get() != allowed {
                rate.set(allowed);
            }
            sleep(LOOK).await;
        }
    }
}

impl Part {
    fn counts_at(&self, minute: u16) -> bool {
        match self.minutes {
            None => true,
            Some((from, to)) if from <= to => (from..to).contains(&minute),
            // Over midnight.
            Some((from, to)) => minute >= from || minute < to,
        }
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(|part| {
            let wrong = || {
                format!("`{part}` is no limit: write bytes a second as 50M or 2G, `none`, or HH:MM-HH:MM=50M")
            };
            let (minutes, rate) = match part.split_once('=') {
                None => (None, part),
                Some((times, rate)) => {
                    let (from, to) = times.split_once('-').ok_or_else(wrong)?;
                    (Some((minute(from).ok_or_else(wrong)?, minute(to).ok_or_else(wrong)?)), rate)
                }
            };
            Ok(Part { minutes, rate: bytes(rate).ok_or_else(wrong)? })
        });
        parts.collect::<Result<_, _>>().map(Self)
    }
}

/// The minute of the day of `HH:MM`.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// Bytes, with a unit of 1024: `50M`; the outer none is no number at all.
fn bytes(text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    if text == "none" {
        return Some(None);
    }
    let (digits, shift) = match text.char_indices().last()? {
        (at, 'k' | 'K') => (&text[..at], 10),
        (at, 'm' | 'M') => (&text[..at], 20),
        (at, 'g' | 'G') => (&text[..at], 30),
        _ => (text, 0),
    };
    let number: u64 = digits.parse().ok().filter(|number| *number > 0)?;
    Some(Some(number.checked_mul(1 << shift)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const M: u64 = 1 << 20;

    #[test]
    fn the_first_that_fits_the_time_counts() {
        let limit: Limit = "22:00-06:00=500M,12:00-13:00=none,50M".parse().unwrap();
        for (time, rate) in [
            ("21:59", Some(50 * M)),
            ("22:00", Some(500 * M)),
            ("00:00", Some(500 * M)),
            ("05:59", Some(500 * M)),
            ("06:00", Some(50 * M)),
            ("12:30", None),
        ] {
            assert_eq!(limit.at(minute(time).unwrap()), rate, "{time}");
        }
        let nights: Limit = "22:00-06:00=1000".parse().unwrap();
        assert_eq!((nights.at(0), nights.at(720)), (Some(1000), None));
    }

    #[test]
    fn what_is_no_limit_says_how_to_write_one() {
        for text in
            ["", "fast", "0", "-5", "5T", "25:00-06:00=5M", "22:00=5M", "22-23=5M", "5M,", "99999999999G"]
        {
            let error = text.parse::<Limit>().unwrap_err();
            assert!(error.contains("is no limit: write"), "{text}: {error}");
        }
    }
}
