//! Tasks: what takes time.

use jiff::Timestamp;

use super::World;
use crate::clock;
use crate::vcenter::api::Fault;
use crate::vcenter::xml::Moref;

/// How far a task is.
#[derive(Debug, Clone)]
pub(crate) enum TaskState {
    /// It is under way.
    Running,
    /// It is done, with what it made.
    Success(Option<Moref>),
    /// It has failed.
    Error(Fault),
}

/// A task.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) id: String,
    /// The method that began it.
    pub(crate) method: String,
    pub(crate) entity: Moref,
    pub(crate) entity_name: String,
    pub(crate) begun: Timestamp,
    pub(crate) ended: Option<Timestamp>,
    pub(crate) cancelled: bool,
    pub(crate) state: TaskState,
}

impl World {
    /// Notes a task that begins now; answers its id.
    pub(crate) fn begin_task(&mut self, method: &str, entity: Moref) -> String {
        let id = format!("task-{}", self.fresh());
        let entity_name = self.entity(&entity.id).map(|entity| entity.name).unwrap_or_default();
        self.tasks.push(Task {
            id: id.clone(),
            method: method.to_owned(),
            entity,
            entity_name,
            begun: clock::now(),
            ended: None,
            cancelled: false,
            state: TaskState::Running,
        });
        id
    }

    pub(crate) fn task(&self, id: &str) -> Option<&Task> {
        self.tasks.iter().find(|task| task.id == id)
    }

    /// Notes how a task ended, unless it has already.
    pub(crate) fn end_task(&mut self, id: &str, state: TaskState) {
        let running = |task: &&mut Task| task.id == id && matches!(task.state, TaskState::Running);
        if let Some(task) = self.tasks.iter_mut().find(running) {
            (task.state, task.ended) = (state, Some(clock::now()));
        }
    }
}
