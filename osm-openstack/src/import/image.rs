//! Images and their data.
//!
//! An image is made without data, then gets it. One that is there without data
//! was left by an import that did not get any further: it is finished, never
//! made a second time.

mod wanted;

use std::path::PathBuf;
use std::time::Duration;

use super::compare::{Conflicts, several};
use super::{Imported, Importer, named};
use crate::error::{Error, ErrorKind, Result};
use crate::image::{Change, CreateImage, Digest, Image, ImageFilter, ImageObject, blob};
use crate::reference::Target;

use wanted::Wanted;

/// How long the data of one image may take.
const UPLOAD: Duration = Duration::from_secs(12 * 3600);
/// How long Glance may take to work on data that it has.
const SETTLE: Duration = Duration::from_secs(15 * 60);
/// How long another upload, perhaps a dead one, is waited for.
const OTHER_UPLOAD: Duration = Duration::from_secs(60);

impl Importer {
    pub(super) async fn image(&self, image: &osm_model::Image) -> Result<Imported> {
        let name = named("image", image.params.name.as_deref())?;
        let what = format!("image `{name}`");
        let glance = self.session.image().await?;
        let wanted = self.wanted_image(image, &what).await?;
        let Some(there) = self.image_named(&glance, &what, name).await? else {
            // Looked for first, so that no image is made that cannot be finished.
            let data = self.data_of(image, &what)?;
            let made = self.make_image(&glance, &what, name, &wanted.body()).await?;
            self.learn(Target::Image, &made.id, name);
            if let Some(path) = data {
                self.fill(&glance, &made, image, &path).await?;
            }
            return Ok(Imported::created(made.id));
        };
        let there = settled(&glance, there, &what, self.session.cloud_name()).await?;
        let has_data = there.status != "queued";
        let mut conflicts = Conflicts::of(&what, self.session.cloud_name());
        if has_data {
            wanted.compare_fixed(&there, &mut conflicts);
            compare_data(image, &there, &mut conflicts);
        }
        conflicts.check()?;
        let changes = wanted.changes(&there, !has_data);
        if !changes.is_empty() {
            glance.update(&there.id, &changes).await?;
        }
        if !has_data && let Some(path) = self.data_of(image, &what)? {
            self.fill(&glance, &there, image, &path).await?;
            return Ok(Imported::created(there.id));
        }
        Ok(Imported::updated_if(!changes.is_empty(), there.id))
    }

    /// The file with the data; none for an image that had none.
    fn data_of(&self, image: &osm_model::Image, what: &str) -> Result<Option<PathBuf>> {
        if image.info.status.as_deref() == Some("queued") {
            return Ok(None);
        }
        let refuse = |message: String| Error::new(ErrorKind::Config, message);
        let name = image.params.name.as_deref().unwrap_or_default();
        let Some(id) = image.info.id.as_deref() else {
            return Err(refuse(format!(
                "{what} has no _info.id, which the name of its data file begins with"
            )));
        };
        let path = self.options.image_blobs.join(blob::file_name(id, name));
        if path.is_file() {
            return Ok(Some(path));
        }
        // Renamed in the file, the image has its data under the name it had.
        blob::of_id(&self.options.image_blobs, id).map(Some).ok_or_else(|| {
            let path = path.display();
            refuse(format!("{what}: its data file {path} is missing: export images again"))
        })
    }

    /// The project's image of this name that is there or will be.
    async fn image_named(&self, glance: &Image, what: &str, name: &str) -> Result<Option<ImageObject>> {
        let filter = ImageFilter {
            name: Some(name.to_owned()),
            owner: Some(self.session.project_id()),
            ..ImageFilter::default()
        };
        let mut found = glance.list(&filter).await?;
        found.extend(glance.list(&ImageFilter { hidden: true, ..filter }).await?);
        found.retain(|image| !matches!(image.status.as_str(), "killed" | "deleted" | "pending_delete"));
        found.sort_by(|one, two| one.id.cmp(&two.id));
        found.dedup_by(|one, two| one.id == two.id);
        if found.len() > 1 {
            let ids: Vec<&str> = found.iter().map(|image| image.id.as_str()).collect();
            return Err(several(what, self.session.cloud_name(), &ids));
        }
        Ok(found.pop())
    }

    async fn make_image(
        &self,
        glance: &Image,
        what: &str,
        name: &str,
        body: &CreateImage,
    ) -> Result<ImageObject> {
        match glance.create(body).await {
            Err(error) if error.kind() == ErrorKind::Ambiguous => {
                self.image_named(glance, what, name).await?.ok_or(error)
            }
            other => other,
        }
    }

    /// Gives an image its data and sees that it arrived whole.
    async fn fill(
        &self,
        glance: &Image,
        made: &ImageObject,
        image: &osm_model::Image,
        path: &std::path::Path,
    ) -> Result<()> {
        let params = &image.params;
        let expected = Digest::of_image(
            params.hash_algo.as_deref(),
            params.hash_value.as_deref(),
            image.info.checksum.as_deref(),
        );
        let mut repeated = false;
        while let Err(error) = glance.upload_from(&made.id, path, expected.as_ref(), UPLOAD).await {
            if error.kind() == ErrorKind::Config {
                discard(glance, made).await;
                return Err(error);
            }
            match glance.get(&made.id).await? {
                // The answer may be all that was lost.
                Some(now) if now.status == "active" => break,
                // The request for the image's state has renewed a token that had ended.
                Some(now) if now.status == "queued" && !repeated && may_pass(&error) => {
                    tracing::warn!(%error, image = made.id, "the data is sent once more");
                    repeated = true;
                }
                _ => return Err(error),
            }
        }
        let filled = glance.wait(&made.id, &["active"], SETTLE).await?;
        let name = params.name.as_deref().unwrap_or_default();
        let what = format!("the data of image `{name}`");
        let mut conflicts = Conflicts::of(&what, self.session.cloud_name());
        compare_data(image, &filled, &mut conflicts);
        if let Err(error) = conflicts.check() {
            discard(glance, made).await;
            return Err(error.with_kind(ErrorKind::BadResponse));
        }
        Ok(())
    }

    async fn wanted_image(&self, image: &osm_model::Image, what: &str) -> Result<Wanted> {
        let params = &image.params;
        let kernel =
            self.resolve(Target::Image, what, "params.kernel_ref", params.kernel_ref.as_ref()).await?;
        let ramdisk =
            self.resolve(Target::Image, what, "params.ramdisk_ref", params.ramdisk_ref.as_ref()).await?;
        let addition = self.addition(image.info.id.as_deref());
        let tags = addition.and_then(|addition| addition.tags.clone());
        Ok(Wanted::new(params, kernel, ramdisk, tags))
    }
}

/// Whether an upload, which the client cannot repeat by itself, may succeed the next time.
fn may_pass(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Auth | ErrorKind::RateLimited | ErrorKind::ServerFault)
}

/// Deletes an image whose data is wrong. Best effort: an error is on its way already.
async fn discard(glance: &Image, image: &ImageObject) {
    if image.protected == Some(true) {
        let _ = glance.update(&image.id, &[Change::set("protected", false, true)]).await;
    }
    if let Err(error) = glance.delete(&image.id).await {
        tracing::warn!(%error, image = image.id, "an image with wrong data is left behind");
    }
}

/// An image that nobody uploads to any more.
async fn settled(glance: &Image, image: ImageObject, what: &str, cloud: &str) -> Result<ImageObject> {
    if !matches!(image.status.as_str(), "saving" | "uploading" | "importing") {
        return Ok(image);
    }
    let statuses = ["active", "queued", "deactivated"];
    glance.wait(&image.id, &statuses, OTHER_UPLOAD).await.map_err(|error| {
        let message = format!(
            "{what} ({}) in cloud `{cloud}` is in status {}: wait until its upload ends, or delete it if none is \
             under way",
            image.id, image.status
        );
        Error::new(ErrorKind::State, message).with_source(error)
    })
}

fn compare_data(image: &osm_model::Image, there: &ImageObject, conflicts: &mut Conflicts<'_>) {
    let params = &image.params;
    if params.hash_algo.is_some() && params.hash_algo == there.os_hash_algo {
        conflicts.fixed("os_hash_value", params.hash_value.as_ref(), there.os_hash_value.as_ref());
    } else {
        conflicts.fixed("checksum", image.info.checksum.as_ref(), there.checksum.as_ref());
    }
}
