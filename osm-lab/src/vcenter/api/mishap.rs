//! The faults that hit a call.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::fault::Fault;
use crate::api::gate::cut_body;
use crate::api::listener::Wire;
use crate::vcenter::core::Core;
use crate::vcenter::fault::VFaultKind;
use crate::vcenter::world::World;

/// What is to go wrong with one call.
#[derive(Default)]
pub(super) struct Mishap {
    /// This status instead of an answer.
    pub(super) status: Option<StatusCode>,
    /// This fault instead of an answer.
    pub(super) fault: Option<Fault>,
    /// How the task ends that the call begins.
    pub(super) task: Option<TaskMishap>,
    cut_after: Option<usize>,
}

/// What is to go wrong with a task.
#[derive(Debug, Clone)]
pub(super) enum TaskMishap {
    Fails(Fault),
    Sticks,
}

impl Mishap {
    /// Takes the faults of a call, and waits where they are a delay.
    pub(super) async fn of(core: &Core, wire: &Wire, method: &str, object: &str) -> Self {
        let mut mishap = Self::default();
        for kind in core.take_faults(method, object) {
            match &kind {
                VFaultKind::Latency(time) => tokio::time::sleep(*time).await,
                VFaultKind::Soap { .. } => mishap.fault = Fault::wanted(&kind),
                VFaultKind::TaskFails { .. } => mishap.task = Fault::wanted(&kind).map(TaskMishap::Fails),
                VFaultKind::TaskSticks => mishap.task = Some(TaskMishap::Sticks),
                VFaultKind::Status(status) => {
                    mishap.status = StatusCode::from_u16(*status).ok();
                }
                VFaultKind::Drop => {
                    wire.cut();
                    mishap.status = Some(StatusCode::SERVICE_UNAVAILABLE);
                }
                VFaultKind::CutBody(length) => mishap.cut_after = Some(*length),
                VFaultKind::Expire => core.change(World::end_sessions),
            }
        }
        mishap
    }

    /// What is answered instead, where that is a status.
    pub(super) fn instead(&self) -> Option<Response> {
        self.status.map(|status| (status, "The lab was asked for this.\n").into_response())
    }

    /// Does to an answer what is to happen to it.
    pub(super) fn hit(&self, response: Response) -> Response {
        match self.cut_after {
            Some(length) => response.map(|body| cut_body(body, length)),
            None => response,
        }
    }
}
