//! `QueryChangedDiskAreas`: what was written since a change id.

use super::dispatch::{Answer, Asked, Outcome};
use super::fault::Fault;
use crate::vcenter::core::Core;
use crate::vcenter::options::VCenterOptions;
use crate::vcenter::seed::Power;
use crate::vcenter::world::{DiskFacts, Since, Tracking, Useless, World};
use crate::vcenter::xml::{Moref, Node};

/// From here on a stretch without changes may be a page of its own.
const LONG: u64 = 1 << 30;

pub(super) fn query(core: &Core, asked: &Asked) -> Outcome {
    let key: i32 = asked.number("deviceKey")?;
    let start: i64 = asked.number("startOffset")?;
    let change_id = asked.needs("changeId")?;
    core.look(|world| {
        let (facts, tracking) = view(world, asked, key)?;
        let start = u64::try_from(start).ok().filter(|start| *start < facts.capacity);
        let start = start.ok_or_else(|| Fault::invalid_argument("startOffset"))?;
        let file = facts.file_name(0);
        let tracking = tracking.ok_or_else(|| {
            let message = format!("Error caused by file {file}: change tracking is not enabled");
            Fault::file(&file, "vim.hostd.vmsvc.cbt.noTrack", &message)
        })?;
        let since = tracking.since(change_id).map_err(|useless| match useless {
            Useless::Malformed => Fault::invalid_argument("changeId"),
            Useless::Unknown => {
                let message = format!("Error caused by file {file}: cannot get changes since {change_id}");
                Fault::file(&file, "vim.hostd.vmsvc.cbt.cannotGetChanges", &message)
            }
        })?;
        let (end, areas) = page(&core.options, tracking, since, start, facts.capacity);
        Answer::one(answer(start, end, &areas))
    })
}

/// The disk as a snapshot froze it, or as it is while the machine is off.
fn view<'w>(
    world: &'w World,
    asked: &Asked,
    key: i32,
) -> Result<(&'w DiskFacts, Option<&'w Tracking>), Fault> {
    let machine = asked.machine(world)?;
    let no_disk = || Fault::invalid_argument("deviceKey");
    match asked.args.child("snapshot") {
        Some(snapshot) => {
            let id = snapshot.text.trim();
            let snapshot = machine.snapshot(id);
            let snapshot = snapshot.ok_or_else(|| Fault::gone(&Moref::new("VirtualMachineSnapshot", id)))?;
            let frozen = snapshot.froze(key).ok_or_else(no_disk)?;
            Ok((&frozen.facts, frozen.tracking.as_ref()))
        }
        None if machine.power == Power::On => Err(Fault::power_state("poweredOff", machine.power.word())),
        None => {
            let disk = machine.disk(key).filter(|disk| disk.facts.is_covered()).ok_or_else(no_disk)?;
            Ok((&disk.facts, disk.tracking.as_ref()))
        }
    }
}

/// The areas of one answer, and where what it describes ends.
fn page(
    options: &VCenterOptions,
    tracking: &Tracking,
    since: Since,
    start: u64,
    capacity: u64,
) -> (u64, Vec<(u64, u64)>) {
    let mut areas: Vec<(u64, u64)> = Vec::new();
    let mut at = start;
    loop {
        let next = tracking.next(since, at, capacity);
        let begins = next.map_or(capacity, |(begins, _)| begins);
        if options.empty_pages && begins - at >= LONG {
            // The stretch is the next page, or this one when nothing stands before it.
            return if areas.is_empty() { (begins, areas) } else { (at, areas) };
        }
        match next {
            None => return (capacity, areas),
            Some(_) if areas.len() >= options.page_areas.max(1) => return (at, areas),
            Some((begins, ends)) => {
                areas.push((begins, ends));
                at = ends;
            }
        }
        if at >= capacity {
            return (capacity, areas);
        }
    }
}

fn answer(start: u64, end: u64, areas: &[(u64, u64)]) -> Node {
    let mut parts = vec![Node::long("startOffset", start), Node::long("length", end - start)];
    parts.extend(areas.iter().map(|(begins, ends)| {
        let parts = vec![Node::long("start", begins), Node::long("length", ends - begins)];
        Node::object("changedArea", "", parts)
    }));
    Node::object("returnval", "", parts)
}
