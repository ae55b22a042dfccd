//! Progress bars of single disks. On a terminal only: a pipe gets the closing line alone.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use osm_transfer::transfer::{Advance, Progress};

/// One disk's bar: bytes done, rate, time left.
#[derive(Debug)]
pub(crate) struct CopyBar {
    bar: ProgressBar,
}

impl CopyBar {
    /// A bar of its own over `total` bytes, named `name`.
    pub(crate) fn alone(name: &str, total: u64) -> Self {
        Self::styled(visible(ProgressBar::new(total)), name)
    }

    /// A bar among others.
    pub(crate) fn among(bars: &MultiProgress, name: &str, total: u64) -> Self {
        Self::styled(bars.add(visible(ProgressBar::new(total))), name)
    }

    /// Moves the bar to `done` bytes of `total`.
    pub(crate) fn show(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn styled(bar: ProgressBar, name: &str) -> Self {
        let template = "  {prefix:<28!} {bar:24} {binary_bytes:>11}/{binary_total_bytes:<11} {binary_bytes_per_sec:>13} {eta:>5}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }
}

impl Progress for CopyBar {
    fn advance(&self, advance: Advance) {
        self.show(advance.copied + advance.zeroed, advance.total);
    }
}

fn visible(bar: ProgressBar) -> ProgressBar {
    if std::io::stderr().is_terminal() { bar } else { ProgressBar::hidden() }
}
