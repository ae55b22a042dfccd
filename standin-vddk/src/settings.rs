//! What the environment says.

use std::env;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use crate::VixError;

/// What the environment says; see the crate's own page.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) root: Option<PathBuf>,
    pub(crate) trace: Option<PathBuf>,
    pub(crate) delay: Duration,
    pub(crate) inline: bool,
    /// Which read fails, counted from one, and how.
    pub(crate) read: Option<(u64, VixError)>,
    /// Which read ends the process.
    pub(crate) crash: Option<u64>,
    pub(crate) open: Option<VixError>,
    pub(crate) connect: Option<VixError>,
    pub(crate) query: Option<VixError>,
    pub(crate) read_async: Option<VixError>,
}

/// The settings, read when they are first asked for.
pub(crate) fn settings() -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    SETTINGS.get_or_init(Settings::read)
}

impl Settings {
    fn read() -> Self {
        let mut settings = Self {
            root: env::var_os("VIX_STANDIN_ROOT").map(PathBuf::from),
            trace: env::var_os("VIX_STANDIN_TRACE").map(PathBuf::from),
            delay: Duration::from_millis(number(&env::var("VIX_STANDIN_DELAY_MS").unwrap_or_default())),
            inline: env::var("VIX_STANDIN_INLINE").is_ok_and(|text| text == "1"),
            ..Self::default()
        };
        for fault in env::var("VIX_STANDIN_FAIL").unwrap_or_default().split(',') {
            let parts: Vec<&str> = fault.trim().split(':').collect();
            match parts[..] {
                ["read", nth, code] => settings.read = Some((number(nth), number(code))),
                ["crash", nth] => settings.crash = Some(number(nth)),
                ["open", code] => settings.open = Some(number(code)),
                ["connect", code] => settings.connect = Some(number(code)),
                ["query", code] => settings.query = Some(number(code)),
                ["async", code] => settings.read_async = Some(number(code)),
                _ => {}
            }
        }
        settings
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}
