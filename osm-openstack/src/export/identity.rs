//! Projects, users and their roles: what only administrators see.

use osm_model::{
    NameFilter, ProjectInfo, ProjectParams, Reference, Resource, RoleAssignmentInfo, RoleAssignmentParams,
    UserInfo, UserParams,
};

use super::{Exporter, each, sorted};
use crate::error::Result;
use crate::identity::{Named, Project, RoleAssignment, User};
use crate::reference::Target;

impl Exporter {
    pub(super) async fn projects(&self, filter: &NameFilter) -> Result<Vec<Resource>> {
        let keystone = self.session.identity().await?;
        let all = keystone.projects(None).await?;
        for project in &all {
            self.resolver.remember(Target::Project, project.clone().into());
        }
        let wanted = all.into_iter().filter(|project| filter.matches(&project.name)).collect();
        each(sorted(wanted, |project: &Project| project.id.clone()), |project| self.project(project)).await
    }

    async fn project(&self, project: Project) -> Result<Resource> {
        let params = ProjectParams {
            domain_ref: self.resolver.reference(Target::Domain, project.domain_id.as_deref()).await?,
            parent_ref: self.parent(&project).await?,
            description: project.description,
            is_domain: Some(project.is_domain),
            is_enabled: project.enabled,
            name: Some(project.name),
            ..ProjectParams::default()
        };
        let info = ProjectInfo {
            domain_id: project.domain_id,
            id: Some(project.id),
            parent_id: project.parent_id,
            ..ProjectInfo::default()
        };
        Ok(Resource::Project(osm_model::Project::new(params, info)))
    }

    /// The project above, or the domain, which Keystone keeps as a project too.
    async fn parent(&self, project: &Project) -> Result<Option<Reference>> {
        let parent = project.parent_id.as_deref();
        if project.domain_id.as_deref() != parent
            && let Some(above) = self.resolver.reference_if_there(Target::Project, parent).await?
        {
            return Ok(Some(above));
        }
        self.resolver.reference(Target::Domain, parent).await
    }

    pub(super) async fn users(&self, filter: &NameFilter) -> Result<Vec<Resource>> {
        each(self.users_named(filter).await?, |user| self.user(user)).await
    }

    /// The users whose name passes, by id.
    pub(super) async fn users_named(&self, filter: &NameFilter) -> Result<Vec<User>> {
        let keystone = self.session.identity().await?;
        let all = keystone.users(None).await?;
        for user in &all {
            self.resolver.remember(Target::User, user.clone().into());
        }
        let wanted = all.into_iter().filter(|user| filter.matches(&user.name)).collect();
        Ok(sorted(wanted, |user: &User| user.id.clone()))
    }

    async fn user(&self, user: User) -> Result<Resource> {
        let project = user.default_project_id.as_deref();
        let params = UserParams {
            // A default project that is gone is none.
            default_project_ref: self.resolver.reference_if_there(Target::Project, project).await?,
            description: user.description,
            domain_ref: self.resolver.reference(Target::Domain, user.domain_id.as_deref()).await?,
            email: user.email,
            is_enabled: user.enabled,
            name: Some(user.name),
            ..UserParams::default()
        };
        let info = UserInfo {
            default_project_id: user.default_project_id,
            domain_id: user.domain_id,
            id: Some(user.id),
            ..UserInfo::default()
        };
        Ok(Resource::User(osm_model::User::new(params, info)))
    }

    /// The roles that users have in projects themselves. Those of groups, of domains, of the whole
    /// system and those that only count in the projects below have no place in the file.
    pub(super) async fn role_assignments(&self, filter: &NameFilter) -> Result<Vec<Resource>> {
        let keystone = self.session.identity().await?;
        let own = self.session.user_id();
        let mut found = Vec::new();
        for assignment in keystone.role_assignments().await? {
            let RoleAssignment { user: Some(user), role, scope } = assignment else { continue };
            let (Some(project), None) = (scope.project, scope.inherited_to) else { continue };
            // Keystone keeps the roles of users that a directory service has no more.
            let (Some(role_ref), Some(project_ref), Some(user_ref)) =
                (reference(&role), reference(&project), reference(&user))
            else {
                continue;
            };
            if !user.name.as_deref().is_some_and(|name| filter.matches(name)) {
                continue;
            }
            let order = (role.name, project.name, user.name);
            let user_ref = if user.id == own { Reference::auth_user() } else { user_ref };
            let params = RoleAssignmentParams {
                project_ref: Some(project_ref),
                role_ref: Some(role_ref),
                user_ref: Some(user_ref),
                ..RoleAssignmentParams::default()
            };
            let info = RoleAssignmentInfo {
                project_id: Some(project.id),
                role_id: Some(role.id),
                user_id: Some(user.id),
                ..RoleAssignmentInfo::default()
            };
            found.push((order, Resource::RoleAssignment(osm_model::RoleAssignment::new(params, info))));
        }
        found.sort_by(|(one, _), (two, _)| one.cmp(two));
        Ok(found.into_iter().map(|(_, resource)| resource).collect())
    }
}

/// The names of a thing, if it is still there.
fn reference(named: &Named) -> Option<Reference> {
    let name = named.name.as_deref().filter(|name| !name.is_empty())?;
    let domain_name = named.domain.as_ref().map(|domain| domain.name.clone());
    Some(Reference { domain_name, ..Reference::named(name) })
}
