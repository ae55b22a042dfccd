//! Each file of OS Migrate, written by us from the same answers.

use std::fs;

use osm_model::{
    FilterSet, Kind, NameFilter, OS_MIGRATE_VERSION, Resource, ResourceFile, Supplement, Upsert, validate,
};
use osm_openstack::export::{Exporter, export, export_image_data};

use crate::difference::{as_os_migrate_has_it, without_address_groups};
use crate::json::Json;
use crate::recording::{Recording, Section};
use crate::replay::Cloud;

async fn exported(recording: &Recording, kind: Kind) -> String {
    let playbook = playbook(kind);
    let cloud = Cloud::of(recording, &playbook).await;
    let mut filters = FilterSet::default();
    filters.set(kind, filter(recording, kind));
    let resources = match Exporter::new(&cloud.session).export_filtered(kind, &filters).await {
        Ok(resources) => resources,
        Err(error) => panic!("{kind}: {error}; not recorded: {:#?}", cloud.unknown()),
    };
    let mut file = ResourceFile::new();
    let images = recording.section(&playbook).listed("images");
    for resource in resources {
        let resource = as_os_migrate_has_it(resource, &images);
        assert_eq!(file.upsert(resource), Upsert::Appended, "{kind}");
    }
    // OS Migrate does not ask who may use a private flavor; we do, for the supplement.
    let mut unknown = cloud.unknown();
    unknown.retain(|asked| !asked.ends_with("/os-flavor-access"));
    assert_eq!(unknown, Vec::<String>::new(), "{kind}: not recorded");
    file.to_yaml()
}

fn playbook(kind: Kind) -> String {
    format!("export_{}", kind.word())
}

/// The filter that the playbook had, as far as it shows: everything, or the names in its file.
fn filter(recording: &Recording, kind: Kind) -> NameFilter {
    let file = ResourceFile::parse(&recording.exported(kind.file_name()), OS_MIGRATE_VERSION).unwrap();
    let names: Vec<&str> = file.resources.iter().filter_map(|resource| chosen_by(kind, resource)).collect();
    let listed = listed(recording.section(&playbook(kind)), kind);
    if listed.iter().all(|name| names.contains(&name.as_str())) {
        return NameFilter::all();
    }
    NameFilter::exact(names)
}

/// The name that the kind's filter looks at.
fn chosen_by(kind: Kind, resource: &Resource) -> Option<&str> {
    match resource {
        Resource::Keypair(keypair) if kind == Kind::UserKeypair => {
            keypair.params.user_ref.as_ref()?.name.as_deref()
        }
        resource => resource.filter_name(),
    }
}

/// The names that a filter was applied to.
fn listed(section: &Section, kind: Kind) -> Vec<String> {
    let (_, project) = section.identity();
    let (collection, name): (_, &[&str]) = match kind.word() {
        "router_interfaces" => ("routers", &["name"]),
        "security_groups" | "security_group_rules" => ("security-groups", &["name"]),
        "users_keypairs" => ("users", &["name"]),
        "keypairs" => ("os-keypairs", &["keypair", "name"]),
        "flavors" => ("flavors/detail", &["name"]),
        "workloads" => ("servers/detail", &["name"]),
        "detached_volumes" => ("volumes/detail", &["name"]),
        "user_project_role_assignments" => ("role_assignments", &["user", "name"]),
        // The kind's own word is Neutron's, Glance's and Keystone's too.
        word => (word, &["name"]),
    };
    let counts = |item: &&&Json| match kind.word() {
        "images" => item.text(&["owner"]) == Some(project),
        "detached_volumes" => item.text(&["status"]) != Some("in-use"),
        "user_project_role_assignments" => item.at(&["scope", "project"]).is_some(),
        _ => true,
    };
    let items = section.listed(collection);
    items.iter().filter(counts).map(|item| item.text(name).unwrap_or_default().to_owned()).collect()
}

#[track_caller]
fn assert_same(file: &str, ours: &str, theirs: &str) {
    if ours == theirs {
        return;
    }
    let differs = |(_, (one, other)): &(usize, (&str, &str))| one != other;
    match ours.lines().zip(theirs.lines()).enumerate().find(differs) {
        Some((line, (one, other))) => {
            panic!("{file} line {}:\n  ours       {one:?}\n  OS Migrate {other:?}\n\n{ours}", line + 1)
        }
        None => panic!("{file}: {} lines, OS Migrate {}", ours.lines().count(), theirs.lines().count()),
    }
}

macro_rules! same_file {
    ($($name:ident $kind:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                let recording = Recording::load();
                let file = Kind::$kind.file_name();
                let rules = recording.section(&playbook(Kind::$kind)).listed("security-group-rules");
                let theirs = without_address_groups(&recording.exported(file), &rules);
                assert_same(file, &exported(&recording, Kind::$kind).await, &theirs);
            }
        )*

        /// The kinds that are compared.
        const KINDS: &[Kind] = &[$(Kind::$kind),*];
    };
}

same_file! {
    networks Network
    subnets Subnet
    routers Router
    router_interfaces RouterInterface
    security_groups SecurityGroup
    security_group_rules SecurityGroupRule
    images Image
    keypairs Keypair
    flavors Flavor
    projects Project
    users User
    role_assignments RoleAssignment
    users_keypairs UserKeypair
    workloads Workload
    detached_volumes DetachedVolume
}

#[test]
fn every_kind_is_compared() {
    assert!(Kind::IN_ORDER.iter().all(|kind| KINDS.contains(kind)));
}

/// Every file that there is, of which kind whatsoever.
fn files(recording: &Recording) -> Vec<(std::path::PathBuf, String)> {
    let entries = fs::read_dir(recording.folder.join("export")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.extension().is_some_and(|end| end == "yml"));
    let mut files: Vec<_> = files.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

#[test]
fn every_file_is_read_and_written_as_it_was() {
    for (path, text) in files(&Recording::load()) {
        let file = ResourceFile::parse(&text, OS_MIGRATE_VERSION).unwrap();
        assert_same(&path.display().to_string(), &file.to_yaml(), &text);
    }
}

#[test]
fn every_file_is_valid() {
    let errors = validate(&files(&Recording::load()));
    assert!(errors.is_empty(), "{errors:#?}");
}

#[tokio::test]
async fn an_export_over_the_files_of_os_migrate_changes_nothing() {
    let recording = Recording::load();
    for &kind in KINDS {
        let theirs = recording.exported(kind.file_name());
        let mut file = ResourceFile::parse(&theirs, OS_MIGRATE_VERSION).unwrap();
        let ours = ResourceFile::parse(&exported(&recording, kind).await, OS_MIGRATE_VERSION).unwrap();
        for resource in ours.resources {
            assert_eq!(file.upsert(resource), Upsert::Unchanged, "{kind}");
        }
        assert_same(kind.file_name(), &file.to_yaml(), &theirs);
    }
}

#[tokio::test]
async fn image_data_is_the_data_os_migrate_wrote() {
    let recording = Recording::load();
    let Ok(blobs) = fs::read_dir(recording.folder.join("export/image_blobs")) else {
        assert!(recording.exported(Kind::Image.file_name()).ends_with("resources: []\n"), "no image data");
        return;
    };
    let cloud = Cloud::of(&recording, &playbook(Kind::Image)).await;
    for blob in blobs {
        let blob = blob.unwrap().path();
        let id = &blob.file_name().unwrap().to_str().unwrap()[..36];
        let folder = tempfile::tempdir().unwrap();
        let ours = folder.path().join("blob");
        export_image_data(&cloud.session, id, &ours).await.unwrap();
        assert!(fs::read(&ours).unwrap() == fs::read(&blob).unwrap(), "{}", blob.display());
    }
}

/// What OS Migrate's files have no place for is not lost.
#[tokio::test]
async fn the_order_of_name_servers_and_the_tags_of_images_are_in_the_supplement() {
    let recording = Recording::load();
    for (kind, collection, key) in
        [(Kind::Subnet, "subnets", "dns_nameservers"), (Kind::Image, "images", "tags")]
    {
        let cloud = Cloud::of(&recording, &playbook(kind)).await;
        let exporter = Exporter::new(&cloud.session);
        exporter.export(kind, &filter(&recording, kind)).await.unwrap();
        let supplement = Supplement::parse(&exporter.supplement().to_yaml()).unwrap();
        for item in recording.section(&playbook(kind)).listed(collection) {
            let Some(Json::List(texts)) = item.at(&[key]) else { continue };
            let mut texts: Vec<&str> = texts.iter().filter_map(|text| text.text(&[])).collect();
            let addition = supplement.get(item.text(&["id"]).unwrap()).cloned().unwrap_or_default();
            let kept = addition.dns_nameservers.or(addition.tags).unwrap_or_default();
            match kind {
                Kind::Subnet if texts.is_sorted() => texts.clear(),
                Kind::Image if item.text(&["owner"]) != Some(cloud.session.project_id().as_str()) => {
                    texts.clear()
                }
                Kind::Image => texts.sort_unstable(),
                _ => {}
            }
            assert_eq!(kept, texts, "{item}");
        }
    }
}

#[tokio::test]
async fn references_cost_a_request_a_type_not_a_request_each() {
    let recording = Recording::load();
    let cloud = Cloud::of(&recording, &playbook(Kind::SecurityGroupRule)).await;
    let exporter = Exporter::new(&cloud.session);
    for kind in [Kind::Network, Kind::Subnet, Kind::SecurityGroup, Kind::SecurityGroupRule] {
        exporter.export(kind, &NameFilter::all()).await.unwrap();
    }
    // Four lists, networks and groups for references, the list of groups for rules, two documents.
    let reads = cloud.reads().await;
    assert!(reads <= 9, "{reads} requests");
}

#[tokio::test]
async fn a_filter_chooses_rules_by_their_group_and_interfaces_by_their_router() {
    let recording = Recording::load();
    for kind in [Kind::SecurityGroupRule, Kind::RouterInterface] {
        let file = ResourceFile::parse(&recording.exported(kind.file_name()), OS_MIGRATE_VERSION).unwrap();
        let Some(owner) = file.resources.last().and_then(Resource::filter_name) else { continue };
        let expected: Vec<_> =
            file.resources.iter().filter(|it| it.filter_name() == Some(owner)).cloned().collect();
        let cloud = Cloud::of(&recording, &playbook(kind)).await;
        let chosen = export(&cloud.session, kind, &NameFilter::exact([owner])).await.unwrap();
        assert_eq!(chosen, expected, "{kind} of {owner}");
    }
}
