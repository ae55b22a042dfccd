//! Projects, users and their roles: what only administrators make.
//!
//! Domains and roles must be there already: they are the cloud's own, as is the password of a user.

use std::collections::{HashMap, HashSet};

use osm_model::Reference;
use tokio::sync::Mutex;

use super::compare::{Conflicts, changed, changed_text};
use super::directory::Directory;
use super::{Imported, Importer, named};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::{Project, ProjectBody, User, UserBody};
use crate::reference::{Place, Target};

/// Who is there, as far as it was asked for.
#[derive(Default)]
pub(super) struct People {
    projects: Directory<Project>,
    users: Directory<User>,
    /// Users and roles by project.
    roles: Mutex<HashMap<String, HashSet<(String, String)>>>,
}

impl Importer {
    pub(super) async fn project(&self, project: &osm_model::Project) -> Result<Imported> {
        let params = &project.params;
        let name = named("project", params.name.as_deref())?;
        let what = format!("project `{name}`");
        if params.is_domain == Some(true) {
            let message = format!(
                "{what}: params.is_domain is true, and domains are not imported: make the domain, and take it out \
                 of the file"
            );
            return Err(Error::new(ErrorKind::Config, message));
        }
        let domain = self.domain(&what, params.domain_ref.as_ref()).await?;
        let parent = self.parent(&what, params.parent_ref.as_ref()).await?;
        let keystone = self.session.identity().await?;
        let projects = &self.people.projects;
        let Some(there) = projects.named(&keystone, name, &domain).await? else {
            let body = ProjectBody {
                name: Some(name.to_owned()),
                domain_id: Some(domain.clone()),
                parent_id: parent,
                is_domain: params.is_domain,
                description: params.description.clone(),
                enabled: params.is_enabled,
            };
            let answer = keystone.create_project(&body).await;
            let made = projects.made(&keystone, name, &domain, answer).await?;
            self.resolver.remember(Target::Project, made.clone().into());
            return Ok(Imported::created(made.id));
        };
        self.resolver.remember(Target::Project, there.clone().into());
        if let (Some(want), Some(has)) = (&parent, &there.parent_id)
            && want != has
        {
            let mut conflicts = Conflicts::of(&what, self.session.cloud_name());
            let want = params.parent_ref.as_ref().and_then(|parent| parent.name.as_deref());
            let has = self.resolver.reference_if_there(Target::Project, Some(has)).await?;
            let has = has.and_then(|parent| parent.name);
            conflicts.add("parent", want.unwrap_or_default(), has.as_deref().unwrap_or_default());
            conflicts.check()?;
        }
        let body = ProjectBody {
            description: changed_text(params.description.as_deref(), there.description.as_deref()),
            enabled: changed(params.is_enabled.as_ref(), there.enabled.as_ref()),
            ..ProjectBody::default()
        };
        let differs = body != ProjectBody::default();
        if differs {
            projects.put(&keystone.update_project(&there.id, &body).await?, &domain).await;
        }
        Ok(Imported::updated_if(differs, there.id))
    }

    pub(super) async fn user(&self, user: &osm_model::User) -> Result<Imported> {
        let params = &user.params;
        let name = named("user", params.name.as_deref())?;
        let what = format!("user `{name}`");
        let domain = self.domain(&what, params.domain_ref.as_ref()).await?;
        let default_project = params.default_project_ref.as_ref();
        let default_project =
            self.resolve(Target::Project, &what, "params.default_project_ref", default_project).await?;
        let keystone = self.session.identity().await?;
        let users = &self.people.users;
        let Some(there) = users.named(&keystone, name, &domain).await? else {
            let body = UserBody {
                name: Some(name.to_owned()),
                domain_id: Some(domain.clone()),
                default_project_id: default_project,
                description: params.description.clone(),
                email: params.email.clone(),
                enabled: params.is_enabled,
            };
            let answer = keystone.create_user(&body).await;
            let made = users.made(&keystone, name, &domain, answer).await?;
            self.resolver.remember(Target::User, made.clone().into());
            return Ok(Imported::created(made.id));
        };
        self.resolver.remember(Target::User, there.clone().into());
        let body = UserBody {
            default_project_id: changed(default_project.as_ref(), there.default_project_id.as_ref()),
            description: changed_text(params.description.as_deref(), there.description.as_deref()),
            email: changed_text(params.email.as_deref(), there.email.as_deref()),
            enabled: changed(params.is_enabled.as_ref(), there.enabled.as_ref()),
            ..UserBody::default()
        };
        let differs = body != UserBody::default();
        if differs {
            users.put(&keystone.update_user(&there.id, &body).await?, &domain).await;
        }
        Ok(Imported::updated_if(differs, there.id))
    }

    pub(super) async fn role_assignment(&self, assignment: &osm_model::RoleAssignment) -> Result<Imported> {
        let params = &assignment.params;
        let what = assignment_name(params);
        let project =
            self.required(Target::Project, &what, "params.project_ref", params.project_ref.as_ref()).await?;
        let user = self.required(Target::User, &what, "params.user_ref", params.user_ref.as_ref()).await?;
        let role = self.required(Target::Role, &what, "params.role_ref", params.role_ref.as_ref()).await?;
        self.refuse_if_planned("assign role", &[&project, &user])?;
        let keystone = self.session.identity().await?;
        let id = format!("{project}/{user}/{role}");
        let mut roles = self.people.roles.lock().await;
        let there = match roles.entry(project.clone()) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(unknown) => {
                let all = keystone.role_assignments_of_project(&project).await?;
                // A role that only counts in the projects below is not one in this project.
                let direct = all.into_iter().filter(|assignment| assignment.scope.inherited_to.is_none());
                unknown.insert(direct.filter_map(|it| Some((it.user?.id, it.role.id))).collect())
            }
        };
        if there.contains(&(user.clone(), role.clone())) {
            return Ok(Imported::updated_if(false, id));
        }
        keystone.assign_role(&project, &user, &role).await?;
        there.insert((user, role));
        Ok(Imported::created(id))
    }

    /// The domain of a reference; without one, the domain of the session's project.
    pub(super) async fn domain(&self, what: &str, reference: Option<&Reference>) -> Result<String> {
        let domain = self.resolve(Target::Domain, what, "params.domain_ref", reference).await?;
        Ok(domain.unwrap_or_else(|| self.session.project_domain_id()))
    }

    /// The project or domain that a project shall be below; none leaves it to Keystone.
    ///
    /// A project's reference names its domain, a domain's does not. One that names no domain may
    /// still mean a project, where no domain has that name.
    async fn parent(&self, what: &str, reference: Option<&Reference>) -> Result<Option<String>> {
        let place = Place { resource: what, field: "params.parent_ref" };
        let in_domain = reference.is_some_and(|reference| reference.domain_name.is_some());
        if !in_domain {
            match self.resolver.resolve(Target::Domain, place, reference).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                domain => return domain,
            }
        }
        self.resolver.resolve(Target::Project, place, reference).await
    }
}

/// `role "member" of user "a" in project "p"`, for messages.
fn assignment_name(params: &osm_model::RoleAssignmentParams) -> String {
    let name = |reference: &Option<Reference>| {
        reference.as_ref().and_then(|reference| reference.name.clone()).unwrap_or_else(|| "?".to_owned())
    };
    let (role, user, project) = (name(&params.role_ref), name(&params.user_ref), name(&params.project_ref));
    format!("role `{role}` of user `{user}` in project `{project}`")
}
