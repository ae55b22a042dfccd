//! Tasks: what takes vSphere a while.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::session::{Session, reference};
use crate::soap::{Element, Fault, Request};
use crate::{Error, ErrorKind, Moref, Result};

/// How often a task is looked at: often at first, most take less than a second.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LATER_LOOKS: Duration = Duration::from_secs(2);

impl Session {
    /// Asks for a task, and returns what came of it.
    ///
    /// # Errors
    /// vSphere refuses it, it fails, or it is not done within `limit`; then it may still be done later.
    pub(crate) async fn perform(&self, request: &Request, limit: Duration) -> Result<Element> {
        let answer = self.call(request).await?;
        let task = reference(&answer, "returnval")
            .ok_or_else(|| Error::new(ErrorKind::BadResponse, format!("{} began no task", request.method)))?;
        let until = Instant::now() + limit;
        let mut pause = FIRST_LOOK;
        loop {
            let found = self.properties(&task, &["info"]).await?;
            let info = found.get("info").cloned().unwrap_or_default();
            match info.text_at(&["state"]) {
                Some("success") => return Ok(info.child("result").cloned().unwrap_or_default()),
                Some("error") => {
                    let fault = Fault::of_task(info.child("error").unwrap_or(&Element::default()));
                    return Err(Error::from(fault).with_object(named(request.method, &info)));
                }
                state if Instant::now() >= until => {
                    let state = state.unwrap_or("without a state");
                    let message = format!("the task is {state} after {} s", limit.as_secs());
                    return Err(Error::new(ErrorKind::Timeout, message)
                        .with_object(named(request.method, &info))
                        .with_hint("look at the recent tasks of the machine in vSphere"));
                }
                _ => sleep(pause).await,
            }
            pause = (pause * 2).min(LATER_LOOKS);
        }
    }
}

/// What a task does, and to what.
fn named(method: &str, info: &Element) -> String {
    let what = method.strip_suffix("_Task").unwrap_or(method);
    let on = info.text_at(&["entityName"]).or(info.text_at(&["entity"]));
    on.map_or_else(|| what.to_owned(), |on| format!("{what} of {on}"))
}

/// What a task's result leads to.
pub(crate) fn made(result: &Element) -> Option<Moref> {
    (!result.text.is_empty()).then(|| Moref::new(&result.reference, &result.text))
}
