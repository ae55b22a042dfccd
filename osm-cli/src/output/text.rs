//! Sentences for people: a line for each thing that ends, bars for what is under way.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ContentArrangement, Table};
use indicatif::MultiProgress;
use osm_migrate::{Event, EventSink, Item, ItemResult, Outcome, PlannedDisk, Step, Summary};

use super::CopyBar;

/// Tells what happens, on standard output; bars are drawn on standard error, on a terminal only.
pub(crate) struct Narrator {
    bars: MultiProgress,
    /// The bars of the disks under way, by workload and volume.
    disks: Mutex<BTreeMap<(String, String), CopyBar>>,
    colours: bool,
    /// Whether nothing is written, and outcomes are what would come of it.
    check: bool,
}

impl Narrator {
    pub(crate) fn new(check: bool) -> Self {
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { bars: MultiProgress::new(), disks: Mutex::default(), colours, check }
    }

    fn say(&self, line: &str) {
        self.bars.suspend(|| {
            // A reader that has gone away does not stop a migration.
            let _ = writeln!(std::io::stdout(), "{line}");
        });
    }

    fn mark(&self, outcome: Outcome) -> String {
        let (sign, colour) = match outcome {
            Outcome::Created | Outcome::Written => ("+", "32"),
            Outcome::Updated | Outcome::Seeded => ("~", "33"),
            Outcome::Unchanged | Outcome::Rehearsed => ("=", "2"),
            Outcome::Failed => ("!", "31"),
            _ => ("-", "2"),
        };
        self.paint(sign, colour)
    }

    fn paint(&self, text: &str, colour: &str) -> String {
        if self.colours { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A line; why something failed is told at the end, where it is not scrolled away.
    fn resource(&self, item: &Item) {
        let Item { kind, name, outcome, .. } = item;
        let name = name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        let would = if self.check && item.result == ItemResult::Changed { "would be " } else { "" };
        self.say(&format!("  {} {kind}{name}: {would}{outcome}", self.mark(*outcome)));
    }

    fn progress(&self, workload: &str, volume: &str, done: u64, total: u64) {
        let mut disks = self.disks.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (workload.to_owned(), volume.to_owned());
        let bar = disks
            .entry(key)
            .or_insert_with(|| CopyBar::among(&self.bars, &format!("{workload}: {volume}"), total));
        bar.show(done, total);
        if done >= total {
            bar.finish();
        }
    }

    fn forget_disks_of(&self, workload: &str) {
        let mut disks = self.disks.lock().unwrap_or_else(PoisonError::into_inner);
        disks.retain(|(of, _), bar| {
            if of == workload {
                bar.finish();
            }
            of != workload
        });
    }

    fn close(&self, summary: &Summary) {
        let Summary {
            created, written, updated, seeded, rehearsed, removed, unchanged, skipped, failed, ..
        } = summary;
        let counts = [
            (created, "created"),
            (written, "written"),
            (updated, "updated"),
            (seeded, "seeded"),
            (rehearsed, "rehearsed"),
            (removed, "removed"),
            (unchanged, "unchanged"),
            (skipped, "skipped"),
            (failed, "failed"),
        ];
        let counts: Vec<String> = counts
            .into_iter()
            .filter(|(count, _)| **count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        if counts.is_empty() {
            self.say("nothing to do: there is nothing that was asked for");
        } else {
            let written = if self.check { " (a check: nothing was written)" } else { "" };
            self.say(&format!("{}{written}", counts.join(", ")));
        }
        for failure in &summary.failures {
            self.say(&format!("{} {}: {}", self.mark(Outcome::Failed), failure.item, failure.error));
            if let Some(hint) = &failure.hint {
                self.say(&format!("    {hint}"));
            }
        }
    }
}

impl EventSink for Narrator {
    fn emit(&self, event: &Event) {
        match event {
            Event::Exported(item) | Event::Imported(item) => self.resource(item),
            Event::Drift { workload, difference } => {
                self.say(&format!("  {} {workload}: {difference}", self.paint("drift:", "33")));
            }
            Event::WorkloadStarted { workload } => self.say(&self.paint(workload, "1")),
            Event::StepDone { workload, step, detail } => {
                let detail = detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
                self.say(&format!("  {workload}: {}{detail}", step_done(*step)));
            }
            Event::DiskProgress { workload, volume, copied, zeroed, total } => {
                self.progress(workload, volume, copied + zeroed, *total);
            }
            Event::PassDone { workload, pass, size, copied, took_ms, downtime_ms } => {
                let (copied, size) = (bytes(*copied), bytes(*size));
                let downtime = downtime_ms
                    .map(|time| format!("; a cutover now would take about {}", seconds(time)))
                    .unwrap_or_default();
                let took = seconds(*took_ms);
                self.forget_disks_of(workload);
                self.say(&format!(
                    "  {workload}: pass {pass} in {took}, {copied} of {size} travelled{downtime}"
                ));
            }
            Event::DiskVerified { workload, volume, digest } => {
                let short = digest.get(..16).unwrap_or(digest);
                self.say(&format!("  {workload}: {volume} is equal on both ends, BLAKE3 {short}..."));
            }
            Event::WorkloadDone { workload, server_id, outcome } => {
                self.forget_disks_of(workload);
                let server = server_id.as_ref().map(|id| format!(", server {id}")).unwrap_or_default();
                self.say(&format!("{} {workload}: {outcome}{server}", self.mark(*outcome)));
            }
            Event::WorkloadFailed { workload, step, .. } => {
                self.forget_disks_of(workload);
                let mark = self.mark(Outcome::Failed);
                self.say(&format!("{mark} {workload}: failed at {step}; the source has been put back"));
            }
            Event::Planned { workload, src_host, dst_host, disks } => {
                self.say(&format!("{}: by {src_host} and {dst_host}", self.paint(workload, "1")));
                for PlannedDisk { volume, size_gib, labels } in disks {
                    self.say(&format!("  {volume}, {size_gib} GiB ({})", labels.join(", ")));
                }
            }
            Event::HostPart { host, part, outcome } => self.say(&format!("{host}: {part}: {outcome}")),
            Event::HostReady { host, spec } => self.say(&format!("{host} is ready: {spec}")),
            Event::HostsLinked { direct: true } => self.say("disks will travel from host to host"),
            // The warning beside it says why not.
            Event::HostsLinked { direct: false } => {}
            Event::Warning { workload, message } => {
                let workload = workload.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
                self.say(&format!("  {} {workload}{message}", self.paint("note:", "33")));
            }
            Event::Summary(summary) => self.close(summary),
            _ => {}
        }
    }
}

/// A table with a headline.
pub(crate) fn table(headline: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headline.to_vec());
    table.add_rows(rows);
    table.to_string()
}

/// Bytes in the largest IEC unit that keeps them above one.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = count as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" { format!("{count} B") } else { format!("{value:.1} {unit}") }
}

fn seconds(millis: u64) -> String {
    format!("{:.1} s", millis as f64 / 1000.0)
}

fn step_done(step: Step) -> &'static str {
    match step {
        Step::Preflight => "everything it needs is there",
        Step::Claim => "claimed",
        Step::StopSource => "source stopped",
        Step::Snapshot => "snapshots at hand",
        Step::DetachVolumes => "data volumes detached",
        Step::AttachSource => "attached to the source conversion host",
        Step::CreateVolumes => "destination volumes created",
        Step::AttachDestination => "attached to the destination conversion host",
        Step::CopyDisks => "disks copied",
        Step::VerifyDisks => "disks verified",
        Step::DetachDestination => "destination volumes detached",
        Step::RemoveSnapshot => "snapshot removed",
        Step::ConvertGuest => "guest converted",
        Step::Recheck => "everything it needs is still there",
        Step::CreatePorts => "ports created",
        Step::CreateServer => "server is ACTIVE",
        Step::CheckBoot => "boot checked",
        Step::FloatingIps => "floating IPs associated",
        Step::RestoreSource => "source put back",
        Step::Release => "released",
        _ => "step done",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_printed_in_iec_units() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(2 << 30), "2.0 GiB");
    }
}
