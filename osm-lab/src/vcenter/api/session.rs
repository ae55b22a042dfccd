//! Who may ask, and what a vCenter says of itself.

use std::sync::Arc;
use std::time::Instant;

use uuid::Uuid;

use super::dispatch::{Answer, Asked, Outcome};
use super::fault::Fault;
use crate::clock;
use crate::vcenter::VCenter;
use crate::vcenter::core::Core;
use crate::vcenter::world::{ROOT, Session};
use crate::vcenter::xml::{Moref, Node};

/// What anybody may call.
const OPEN: [&str; 2] = ["RetrieveServiceContent", "Login"];

/// The session of a cookie, if it lives.
pub(super) async fn of(
    core: &Arc<Core>,
    cookie: Option<String>,
    method: &str,
) -> Result<Option<Session>, Fault> {
    if OPEN.contains(&method) {
        return Ok(None);
    }
    let core = Arc::clone(core);
    let found = tokio::task::spawn_blocking(move || alive(&core, cookie.as_deref())).await;
    found.ok().flatten().map(Some).ok_or_else(Fault::not_authenticated)
}

/// The session of a cookie, which is used hereby.
pub(super) fn alive(core: &Core, cookie: Option<&str>) -> Option<Session> {
    core.note(|world| {
        world.sessions.retain(|_, session| session.last_active.elapsed() < core.options.session_lifetime);
        let session = world.sessions.get_mut(cookie?)?;
        session.last_active = Instant::now();
        Some(session.clone())
    })
}

/// Whether this is the one user.
pub(super) fn is_user(user: &str, password: &str) -> bool {
    user.eq_ignore_ascii_case(VCenter::USER) && password == VCenter::PASSWORD
}

pub(super) fn login(core: &Core, asked: &Asked) -> Outcome {
    let (user, password) = (asked.args.text_of("userName"), asked.args.text_of("password"));
    if !is_user(user, password) {
        let message = "Cannot complete login due to an incorrect user name or password.";
        return Err(Fault::new("InvalidLogin", message));
    }
    let session = Session {
        key: Uuid::new_v4().to_string(),
        user: VCenter::USER.to_owned(),
        since: clock::now(),
        last_active: Instant::now(),
    };
    let cookie = format!("{}{}", Uuid::new_v4().simple(), &Uuid::new_v4().simple().to_string()[..8]);
    let node = user_session("returnval", &session);
    core.note(|world| world.sessions.insert(cookie.clone(), session));
    Ok(Answer { values: vec![node], cookie: Some(cookie) })
}

pub(super) fn logout(core: &Core, asked: &Asked) -> Outcome {
    let key = asked.session.as_ref().map(|session| session.key.clone());
    core.note(|world| world.sessions.retain(|_, session| Some(&session.key) != key.as_ref()));
    Answer::nothing()
}

pub(super) fn is_active(core: &Core, asked: &Asked) -> Outcome {
    let key = asked.needs("sessionID")?;
    let active = core.look(|world| world.sessions.values().any(|session| session.key == key));
    Answer::one(Node::flag("returnval", active))
}

/// A session as its user sees it.
pub(super) fn user_session(name: &'static str, session: &Session) -> Node {
    Node::object(
        name,
        "UserSession",
        vec![
            Node::text("key", &session.key),
            Node::text("userName", &session.user),
            Node::text("fullName", "Administrator"),
            Node::time("loginTime", session.since),
            Node::time("lastActiveTime", clock::now()),
            Node::text("locale", "en"),
            Node::text("messageLocale", "en"),
            Node::flag("extensionSession", false),
            Node::text("ipAddress", "127.0.0.1"),
            Node::text("userAgent", ""),
            Node::int("callCount", 0),
        ],
    )
}

pub(super) fn content(core: &Core) -> Outcome {
    Answer::one(service_content("returnval", &core.look(|world| world.uuid.clone())))
}

/// Where the objects of a vCenter are, and what it is.
pub(super) fn service_content(name: &'static str, uuid: &str) -> Node {
    let about = vec![
        Node::text("name", "VMware vCenter Server"),
        Node::text("fullName", "VMware vCenter Server 8.0.3 build-24022515 (osm-lab)"),
        Node::text("vendor", "VMware, Inc."),
        Node::text("version", "8.0.3"),
        Node::text("build", "24022515"),
        Node::text("localeVersion", "INTL"),
        Node::text("localeBuild", "000"),
        Node::text("osType", "linux-x64"),
        Node::text("productLineId", "vpx"),
        Node::text("apiType", "VirtualCenter"),
        Node::text("apiVersion", "8.0.3.0"),
        Node::text("instanceUuid", uuid),
        Node::text("licenseProductName", "VMware VirtualCenter Server"),
        Node::text("licenseProductVersion", "8.0"),
    ];
    let object =
        |name: &'static str, kind: &'static str, id: &str| Node::reference(name, &Moref::new(kind, id));
    Node::object(
        name,
        "ServiceContent",
        vec![
            object("rootFolder", "Folder", ROOT),
            object("propertyCollector", "PropertyCollector", "propertyCollector"),
            object("viewManager", "ViewManager", "ViewManager"),
            Node::object("about", "AboutInfo", about),
            object("sessionManager", "SessionManager", "SessionManager"),
            object("taskManager", "TaskManager", "TaskManager"),
            object("searchIndex", "SearchIndex", "SearchIndex"),
            object("fileManager", "FileManager", "FileManager"),
            object("virtualDiskManager", "VirtualDiskManager", "virtualDiskManager"),
        ],
    )
}
