//! Which method does what.

use std::sync::Arc;

use super::fault::Fault;
use super::mishap::TaskMishap;
use super::{areas, collector, nfc, object, power, search, session, snapshots, tasks, updates, views};
use crate::vcenter::core::Core;
use crate::vcenter::world::{Machine, Session, World};
use crate::vcenter::xml::{Element, Moref, Node};

/// A call of a method.
pub(super) struct Asked {
    pub(super) method: String,
    /// The id of the object that it is called on.
    pub(super) this: String,
    pub(super) args: Element,
    /// Whose call it is; absent for methods that anybody may call.
    pub(super) session: Option<Session>,
    /// What goes wrong with the task that it begins.
    pub(super) mishap: Option<TaskMishap>,
}

/// What a method answers.
#[derive(Default)]
pub(super) struct Answer {
    /// None for nothing, several for an array.
    pub(super) values: Vec<Node>,
    /// The cookie of the session that begins.
    pub(super) cookie: Option<String>,
}

pub(super) type Outcome = Result<Answer, Fault>;

impl Answer {
    pub(super) fn nothing() -> Outcome {
        Ok(Self::default())
    }

    pub(super) fn one(value: Node) -> Outcome {
        Ok(Self { values: vec![value], cookie: None })
    }

    pub(super) fn many(values: Vec<Node>) -> Outcome {
        Ok(Self { values, cookie: None })
    }

    pub(super) fn reference(object: Option<&Moref>) -> Outcome {
        Self::many(object.map(|object| Node::reference("returnval", object)).into_iter().collect())
    }
}

impl Asked {
    /// The machine that it is about.
    pub(super) fn machine<'w>(&self, world: &'w World) -> Result<&'w Machine, Fault> {
        world.by_id(&self.this).ok_or_else(|| Fault::gone(&Moref::new("VirtualMachine", &self.this)))
    }

    /// The text of an argument that must be there.
    pub(super) fn needs(&self, name: &str) -> Result<&str, Fault> {
        let found = self
            .args
            .child(name)
            .ok_or_else(|| Fault::new("InvalidRequest", format!("Required parameter {name} is missing")))?;
        Ok(found.text.trim())
    }

    /// A number that must be there.
    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<T, Fault> {
        let wrong = || Fault::new("InvalidRequest", format!("Parameter {name} is no number of its type"));
        self.needs(name)?.parse().map_err(|_| wrong())
    }
}

/// Does what is asked, where it may block.
pub(super) async fn dispatch(core: Arc<Core>, asked: Asked) -> Outcome {
    if matches!(asked.method.as_str(), "WaitForUpdatesEx" | "WaitForUpdates" | "CheckForUpdates") {
        return updates::wait(core, asked).await;
    }
    let done = tokio::task::spawn_blocking(move || act(&core, &asked)).await;
    done.unwrap_or_else(|error| Err(Fault::new("SystemError", error.to_string())))
}

fn act(core: &Arc<Core>, asked: &Asked) -> Outcome {
    match asked.method.as_str() {
        "RetrieveServiceContent" => session::content(core),
        "Login" => session::login(core, asked),
        "Logout" => session::logout(core, asked),
        "SessionIsActive" => session::is_active(core, asked),
        "CurrentTime" => Answer::one(Node::time("returnval", crate::clock::now())),
        "CreateContainerView" => views::create(core, asked),
        "DestroyView" => views::destroy(core, asked),
        "RetrievePropertiesEx" => collector::retrieve_pages(core, asked),
        "RetrieveProperties" => collector::retrieve_all(core, asked),
        "ContinueRetrievePropertiesEx" => collector::next_page(core, asked),
        "CancelRetrievePropertiesEx" => collector::cancel(core, asked),
        "Fetch" => collector::fetch(core, asked),
        "CreateFilter" => updates::create_filter(core, asked),
        "DestroyPropertyFilter" => updates::destroy_filter(core, asked),
        "CreatePropertyCollector" => updates::create_collector(core),
        "DestroyPropertyCollector" => updates::destroy_collector(core, asked),
        "CancelWaitForUpdates" | "AnswerVM" => Answer::nothing(),
        "FindByUuid" | "FindAllByUuid" => search::by_uuid(core, asked),
        "FindByInventoryPath" => search::by_path(core, asked),
        "FindChild" => search::child(core, asked),
        "CreateSnapshot_Task" | "CreateSnapshotEx_Task" => snapshots::create(core, asked),
        "RemoveSnapshot_Task" => snapshots::remove(core, asked),
        "RemoveAllSnapshots_Task" => snapshots::remove_all(core, asked),
        "RevertToSnapshot_Task" => snapshots::revert(core, asked),
        "ConsolidateVMDisks_Task" => snapshots::consolidate(core, asked),
        "ReconfigVM_Task" => power::reconfigure(core, asked),
        "Rename_Task" => power::rename(core, asked),
        "PowerOnVM_Task" => power::on(core, asked),
        "PowerOffVM_Task" => power::off(core, asked),
        "ShutdownGuest" => power::shut_down(core, asked),
        "QueryChangedDiskAreas" => areas::query(core, asked),
        "CancelTask" => tasks::cancel(core, asked),
        "RetrieveInternalContent" | "NfcGetVmFiles" | "NfcGetServerNfcLibVersion" => nfc::answer(core, asked),
        method => Err(Fault::no_method(&object::gone(&asked.this), method)),
    }
}
