//! Images: metadata, data, and what an interruption leaves.

use std::fs;

use osm_model::{Addition, Image, Kind, OS_MIGRATE_VERSION, Resource, ResourceFile, Supplement};
use osm_openstack::ErrorKind;
use osm_openstack::image::blob;
use osm_openstack::import::{ImportOptions, Imported, Outcome, import};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fake::Fake;
use crate::fake::glance::{DATA, MD5, SHA512};
use crate::support::{Cloud, PROJECT};

/// A real image's metadata, with the data of the tests.
fn image() -> Image {
    let file =
        ResourceFile::parse(include_str!("../golden/public/export/images.yml"), OS_MIGRATE_VERSION).unwrap();
    let mut images = file.resources.into_iter().filter_map(|resource| match resource {
        Resource::Image(image) if image.params.hw_cpu_cores.is_some() => Some(image),
        _ => None,
    });
    let mut image = images.next().unwrap();
    image.params.name = Some("a/b".to_owned());
    image.params.hash_value = Some(SHA512.to_owned());
    image.info.checksum = Some(MD5.to_owned());
    image.info.size = Some(DATA.len() as u64);
    image
}

fn folder(image: &Image, data: &[u8]) -> (TempDir, ImportOptions) {
    let folder = tempfile::tempdir().unwrap();
    let name = blob::file_name(image.info.id.as_deref().unwrap(), image.params.name.as_deref().unwrap());
    fs::write(folder.path().join(name), data).unwrap();
    let options = ImportOptions { image_blobs: folder.path().to_owned(), ..ImportOptions::default() };
    (folder, options)
}

async fn imported(cloud: &Cloud, image: &Image, options: &ImportOptions) -> Imported {
    import(&cloud.session, &Resource::Image(image.clone()), options).await.unwrap()
}

async fn refused(cloud: &Cloud, image: &Image, options: &ImportOptions) -> (ErrorKind, String) {
    let error = import(&cloud.session, &Resource::Image(image.clone()), options).await.unwrap_err();
    (error.kind(), error.to_string())
}

#[tokio::test]
async fn properties_are_text_and_a_second_import_writes_nothing() {
    let (image, fake) = (image(), Fake::default());
    let (_folder, options) = folder(&image, DATA);
    let cloud = Cloud::answering(fake.clone()).await;
    let done = imported(&cloud, &image, &options).await;
    assert_eq!(done.outcome, Outcome::Created);
    let made = fake.named("images", "a/b");
    assert_eq!((&made["hw_cpu_cores"], &made["hw_vif_multiqueue_enabled"]), (&json!("2"), &json!("true")));
    assert_eq!(made["status"], "active");
    assert_eq!(fake.world().data[&done.id], DATA);
    let writes = cloud.writes().await.len();
    assert_eq!(imported(&cloud, &image, &options).await.outcome, Outcome::Unchanged);
    assert_eq!(cloud.writes().await.len(), writes);
    // And what was imported is exported as the same.
    let exported = osm_openstack::export::export(&cloud.session, Kind::Image, &osm_model::NameFilter::all())
        .await
        .unwrap();
    assert!(exported[0].same_params(&Resource::Image(image)));
}

#[tokio::test]
async fn an_interrupted_upload_is_finished_in_the_same_image() {
    let (image, fake) = (image(), Fake::default());
    let (_folder, options) = folder(&image, DATA);
    let cloud = Cloud::answering(fake.clone()).await;
    fake.refuse("PUT", "/file", 413);
    refused(&cloud, &image, &options).await;
    assert_eq!(fake.named("images", "a/b")["status"], "queued");
    assert_eq!(imported(&cloud, &image, &options).await.outcome, Outcome::Created);
    assert_eq!(fake.named("images", "a/b")["status"], "active");
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_image_and_no_second_upload() {
    let (image, fake) = (image(), Fake::default());
    let (_folder, options) = folder(&image, DATA);
    let cloud = Cloud::answering(fake.clone()).await;
    fake.lose_answer("POST", "/images");
    fake.lose_answer("PUT", "/file");
    assert_eq!(imported(&cloud, &image, &options).await.outcome, Outcome::Created);
    assert_eq!(fake.named("images", "a/b")["status"], "active");
}

#[tokio::test]
async fn data_that_is_not_the_exported_is_refused_and_not_left_behind() {
    let (mut image, fake) = (image(), Fake::default());
    image.params.is_protected = Some(true);
    let (_folder, options) = folder(&image, b"hello, glancf\n");
    let cloud = Cloud::answering(fake.clone()).await;
    let (kind, message) = refused(&cloud, &image, &options).await;
    assert_eq!(kind, ErrorKind::Config);
    assert!(message.contains(SHA512) && message.contains("export"), "{message}");
    assert!(fake.all("images").is_empty());
}

#[tokio::test]
async fn without_its_data_no_image_is_made() {
    let (image, fake) = (image(), Fake::default());
    let cloud = Cloud::answering(fake.clone()).await;
    let (kind, message) =
        refused(&cloud, &image, &ImportOptions { image_blobs: "nowhere".into(), ..ImportOptions::default() })
            .await;
    assert_eq!(kind, ErrorKind::Config);
    assert!(message.contains("image `a/b`") && message.contains("nowhere/"), "{message}");
    assert!(fake.all("images").is_empty());
}

#[tokio::test]
async fn an_image_that_never_had_data_is_moved_without() {
    let (mut image, fake) = (image(), Fake::default());
    image.info.status = Some("queued".to_owned());
    (image.params.hash_algo, image.params.hash_value, image.info.checksum) = (None, None, None);
    let cloud = Cloud::answering(fake.clone()).await;
    let options = ImportOptions::default();
    assert_eq!(imported(&cloud, &image, &options).await.outcome, Outcome::Created);
    assert_eq!(imported(&cloud, &image, &options).await.outcome, Outcome::Unchanged);
}

#[tokio::test]
async fn metadata_is_updated_data_is_compared_and_the_clouds_own_properties_stay() {
    let (mut image, fake) = (image(), Fake::default());
    let (_folder, options) = folder(&image, DATA);
    let cloud = Cloud::answering(fake.clone()).await;
    let id = imported(&cloud, &image, &options).await.id;
    fake.world().objects.get_mut("images").unwrap()[0]["stamp"] = json!("the cloud's");
    image.params.min_disk = Some(7);
    image.params.properties.insert("a/b~c".to_owned(), json!("new"));
    assert_eq!(imported(&cloud, &image, &options).await.outcome, Outcome::Updated);
    let made = fake.named("images", "a/b");
    assert_eq!(
        (&made["min_disk"], &made["a/b~c"], &made["stamp"]),
        (&json!(7), &json!("new"), &json!("the cloud's"))
    );
    let patch: Value = serde_json::from_str(
        cloud.writes().await.last().unwrap().strip_prefix(&format!("PATCH /image/v2/images/{id} ")).unwrap(),
    )
    .unwrap();
    assert_eq!(patch.as_array().unwrap().len(), 2, "{patch}");
    fake.world().objects.get_mut("images").unwrap()[0]["os_hash_value"] = json!("0000");
    let (kind, message) = refused(&cloud, &image, &options).await;
    assert_eq!(kind, ErrorKind::Conflict);
    assert!(message.contains("os_hash_value") && message.contains("0000"), "{message}");
}

#[tokio::test]
async fn tags_of_images_arrive_and_are_kept_when_nothing_is_known_of_them() {
    let (image, fake) = (image(), Fake::default());
    let (_folder, mut options) = folder(&image, DATA);
    let cloud = Cloud::answering(fake.clone()).await;
    let mut tag = |tags: &[&str]| {
        let tags = Some(tags.iter().map(|tag| (*tag).to_owned()).collect());
        let id = image.info.id.clone().unwrap();
        options.supplement.set(id, Addition { tags, ..Addition::default() });
        options.clone()
    };
    let (first, second) = (tag(&["t1", "t2"]), tag(&["t3"]));
    assert_eq!(imported(&cloud, &image, &first).await.outcome, Outcome::Created);
    assert_eq!(fake.named("images", "a/b")["tags"], json!(["t1", "t2"]));
    assert_eq!(imported(&cloud, &image, &first).await.outcome, Outcome::Unchanged);
    assert_eq!(imported(&cloud, &image, &second).await.outcome, Outcome::Updated);
    let silent = ImportOptions { supplement: Supplement::default(), ..first };
    assert_eq!(imported(&cloud, &image, &silent).await.outcome, Outcome::Unchanged);
    assert_eq!(fake.named("images", "a/b")["tags"], json!(["t3"]));
}

#[tokio::test]
async fn a_renamed_image_finds_its_data() {
    let (mut image, fake) = (image(), Fake::default());
    let (_folder, options) = folder(&image, DATA);
    let cloud = Cloud::answering(fake.clone()).await;
    image.params.name = Some("renamed".to_owned());
    assert_eq!(imported(&cloud, &image, &options).await.outcome, Outcome::Created);
    assert_eq!(fake.named("images", "renamed")["status"], "active");
}

#[tokio::test]
async fn another_hash_algorithm_is_no_difference() {
    let (mut image, fake) = (image(), Fake::default());
    let (_folder, options) = folder(&image, DATA);
    let cloud = Cloud::answering(fake.clone()).await;
    imported(&cloud, &image, &options).await;
    image.params.hash_algo = Some("sha256".to_owned());
    image.params.hash_value = Some("0000".to_owned());
    let writes = cloud.writes().await.len();
    assert_eq!(imported(&cloud, &image, &options).await.outcome, Outcome::Unchanged);
    assert_eq!(cloud.writes().await.len(), writes);
}

#[tokio::test]
async fn two_images_of_one_name_are_a_conflict() {
    let (image, fake) = (image(), Fake::default());
    for hidden in [false, true] {
        fake.put("images", json!({"name": "a/b", "owner": PROJECT, "status": "active", "os_hidden": hidden}));
    }
    let cloud = Cloud::answering(fake).await;
    let (kind, message) = refused(&cloud, &image, &ImportOptions::default()).await;
    assert_eq!(kind, ErrorKind::Conflict);
    assert!(message.contains("2 times"), "{message}");
}
