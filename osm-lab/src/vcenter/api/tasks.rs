//! Tasks: a method begins one, and it ends when its time is over.

use std::sync::Arc;

use super::dispatch::{Answer, Asked, Outcome};
use super::fault::Fault;
use super::mishap::TaskMishap;
use crate::vcenter::core::Core;
use crate::vcenter::world::{Task, TaskState, World};
use crate::vcenter::xml::{Moref, Node};

/// Begins a task that does `effect` when its time is over; what that makes is the task's result.
pub(super) fn begin(
    core: &Arc<Core>,
    asked: &Asked,
    entity: Moref,
    effect: impl FnOnce(&Core, &mut World) -> Result<Option<Moref>, Fault> + Send + 'static,
) -> Outcome {
    let id = core.change(|world| world.begin_task(&asked.method, entity));
    let (task, mishap) = (id.clone(), asked.mishap.clone());
    if !matches!(mishap, Some(TaskMishap::Sticks)) {
        core.later(move |core| {
            core.change(|world| {
                // Cancelled, or forgotten by a restart.
                if !world.task(&task).is_some_and(|task| matches!(task.state, TaskState::Running)) {
                    return;
                }
                let done = match mishap {
                    Some(TaskMishap::Fails(fault)) => Err(fault),
                    _ => effect(core, world),
                };
                let state = match done {
                    Ok(result) => TaskState::Success(result),
                    Err(fault) => TaskState::Error(fault),
                };
                world.end_task(&task, state);
            });
        });
    }
    Answer::one(Node::reference("returnval", &Moref::new("Task", id)))
}

pub(super) fn cancel(core: &Core, asked: &Asked) -> Outcome {
    core.change(|world| {
        let fault = Fault::new("RequestCanceled", "The task was canceled by a user.");
        let found = world.tasks.iter_mut().find(|task| task.id == asked.this);
        found.ok_or_else(|| Fault::gone(&Moref::new("Task", &asked.this)))?.cancelled = true;
        world.end_task(&asked.this, TaskState::Error(fault));
        Answer::nothing()
    })
}

/// A task as it tells of itself.
pub(super) fn info(task: &Task) -> Node {
    let (state, progress) = match task.state {
        TaskState::Running => ("running", Some(50)),
        TaskState::Success(_) => ("success", None),
        TaskState::Error(_) => ("error", None),
    };
    let name = task.method.trim_end_matches("_Task");
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase()).unwrap_or_default();
    let mut parts = vec![
        Node::text("key", &task.id),
        Node::reference("task", &Moref::new("Task", &task.id)),
        Node::text("name", &task.method),
        Node::text("descriptionId", format!("{}.{first}{}", task.entity.kind, letters.as_str())),
        Node::reference("entity", &task.entity),
        Node::text("entityName", &task.entity_name),
        Node::word("state", "TaskInfoState", state),
        Node::flag("cancelled", task.cancelled),
        Node::flag("cancelable", true),
    ];
    match &task.state {
        TaskState::Error(fault) => parts.push(fault.localized("error")),
        TaskState::Success(Some(result)) => parts.push(Node::any("result", Node::reference("", result))),
        _ => {}
    }
    parts.extend(progress.map(|percent| Node::int("progress", percent)));
    let user = vec![Node::text("userName", crate::vcenter::VCenter::USER)];
    parts.push(Node::object("reason", "TaskReasonUser", user));
    parts.push(Node::time("queueTime", task.begun));
    parts.push(Node::time("startTime", task.begun));
    parts.extend(task.ended.map(|ended| Node::time("completeTime", ended)));
    parts.push(Node::int("eventChainId", 1));
    Node::object("info", "TaskInfo", parts)
}
