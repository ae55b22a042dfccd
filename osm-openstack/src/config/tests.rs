use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;
use crate::auth::{Credentials, DomainIdentity, Scope, UserIdentity};
use crate::error::{ErrorKind, Result};
use crate::session::ServiceKind;

/// A working directory, a home and a site folder, and variables.
struct World {
    root: TempDir,
    variables: BTreeMap<String, String>,
}

impl World {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        for folder in ["cwd", "home/.config/openstack", "etc"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let home = root.path().join("home").display().to_string();
        Self { root, variables: BTreeMap::from([("HOME".to_owned(), home)]) }
    }

    fn file(self, path: &str, text: &str) -> Self {
        fs::write(self.path(path), text).unwrap();
        self
    }

    fn var(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.root.path().join(path)
    }

    fn load(&self, name: Option<&str>) -> Result<CloudConfig> {
        let etc = self.path("etc");
        let site: [&Path; 1] = [&etc];
        let sources = ConfigSources::from_parts(self.variables.clone(), Some(&self.path("cwd")), &site);
        CloudConfig::load(name, &sources)
    }

    /// The error's text, with the world's folder written as `W`.
    fn error(&self, name: Option<&str>) -> String {
        let error = self.load(name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string().replace(&self.root.path().display().to_string(), "W")
    }
}

fn cloud(url: &str) -> String {
    format!(
        "clouds:\n  src:\n    auth: {{auth_url: 'http://{url}/v3', username: u, password: p, project_name: x}}\n"
    )
}

fn host(config: &CloudConfig) -> &str {
    config.auth_url().host_str().unwrap()
}

#[test]
fn the_first_file_found_wins() {
    let folders = ["cwd/clouds.yaml", "home/.config/openstack/clouds.yaml", "etc/clouds.yaml"];
    for first in 0..folders.len() {
        let mut world = World::new();
        for folder in &folders[first..] {
            let text = cloud(&folder.replace(['/', '.'], "-").replace("home--config", "home"));
            world = world.file(folder, &text);
        }
        let expected = folders[first].replace(['/', '.'], "-").replace("home--config", "home");
        assert_eq!(host(&world.load(Some("src")).unwrap()), expected);
    }
}

#[test]
fn a_named_file_beats_all_folders_and_must_exist() {
    let world = World::new().file("cwd/clouds.yaml", &cloud("cwd")).file("mine.yaml", &cloud("mine"));
    let mine = world.path("mine.yaml").display().to_string();
    let world = world.var("OS_CLIENT_CONFIG_FILE", &mine);
    assert_eq!(host(&world.load(Some("src")).unwrap()), "mine");
    fs::remove_file(world.path("mine.yaml")).unwrap();
    assert_eq!(world.error(Some("src")), "the configuration file W/mine.yaml does not exist; check the path");
}

#[test]
fn suffixes_are_tried_in_order_and_json_is_read() {
    let json =
        r#"{"clouds": {"src": {"auth": {"auth_url": "http://json/", "username": "u", "password": "p"}}}}"#;
    let world = World::new().file("cwd/clouds.json", json);
    assert_eq!(host(&world.load(Some("src")).unwrap()), "json");
    let world = world.file("cwd/clouds.yml", &cloud("yml"));
    assert_eq!(host(&world.load(Some("src")).unwrap()), "yml");
}

#[test]
fn the_cloud_is_the_named_one_then_os_cloud_then_envvars_then_the_only_one() {
    let two =
        format!("{}  dst:\n    auth: {{auth_url: 'http://dst', username: u, password: p}}\n", cloud("src"));
    let variables = |world: World| {
        world.var("OS_AUTH_URL", "http://env/").var("OS_USERNAME", "u").var("OS_PASSWORD", "p")
    };
    let world = variables(World::new()).file("cwd/clouds.yaml", &two).var("OS_CLOUD", "dst");
    assert_eq!(world.load(Some("src")).unwrap().name(), "src");
    assert_eq!(world.load(None).unwrap().name(), "dst");
    let world = variables(World::new()).file("cwd/clouds.yaml", &two);
    let config = world.load(None).unwrap();
    assert_eq!((config.name(), host(&config)), ("envvars", "env"));
    // Variables do not change a cloud of a file.
    assert_eq!(host(&world.load(Some("src")).unwrap()), "src");
    let world = World::new().file("cwd/clouds.yaml", &cloud("only"));
    assert_eq!(host(&world.load(None).unwrap()), "only");
    let world = World::new().file("cwd/clouds.yaml", &two);
    assert_eq!(world.error(None), "which cloud? name one, or set OS_CLOUD; there are: dst, src");
}

#[test]
fn nothing_configured_says_where_was_looked() {
    let error = World::new().error(None);
    assert!(
        error.starts_with("no cloud is configured; write a clouds.yaml (searched: W/cwd/clouds.yaml, "),
        "{error}"
    );
    assert!(error.contains("OS_AUTH_URL"), "{error}");
}

#[test]
fn an_unknown_cloud_lists_the_known_ones_and_the_files() {
    let world = World::new().file("cwd/clouds.yaml", &cloud("h"));
    assert_eq!(
        world.error(Some("scr")),
        "there is no cloud `scr`; clouds configured: src (read: W/cwd/clouds.yaml)"
    );
}

#[test]
fn variables_describe_a_cloud() {
    let world = World::new()
        .var("OS_AUTH_URL", "https://env:5000/v3")
        .var("OS_USERNAME", "user")
        .var("OS_PASSWORD", "1e3")
        .var("OS_PROJECT_NAME", "project")
        .var("OS_USER_DOMAIN_NAME", "Users")
        .var("OS_PROJECT_DOMAIN_ID", "pd")
        .var("OS_REGION_NAME", "r1")
        .var("OS_ENDPOINT_TYPE", "internalURL")
        .var("OS_INSECURE", "true")
        .var("OS_CACERT", "~/ca.pem")
        .var("OS_VOLUME_ENDPOINT_OVERRIDE", "http://c:8776/v3");
    let config = world.load(None).unwrap();
    let Credentials::Password { user, password } = config.credentials() else { panic!("{config:?}") };
    assert_eq!(
        *user,
        UserIdentity::Name { name: "user".into(), domain: DomainIdentity::Name("Users".into()) }
    );
    assert_eq!(password.expose_secret(), "1e3");
    assert_eq!(
        *config.scope(),
        Scope::Project { name: "project".into(), domain: DomainIdentity::Id("pd".into()) }
    );
    assert_eq!(
        (config.region(), config.interface(), config.verify()),
        (Some("r1"), Interface::Internal, false)
    );
    assert_eq!(config.cacert().unwrap(), world.path("home/ca.pem"));
    assert_eq!(config.endpoint_override(ServiceKind::BlockStorage), Some("http://c:8776/v3"));
    assert_eq!(
        world.var("OS_PASSWORD", "").error(None),
        "OS_PASSWORD is missing; add it, best in a secure.yaml beside clouds.yaml"
    );
}

#[test]
fn secure_yaml_is_merged_deeply_and_wins() {
    let clouds = "clouds:\n  dst:\n    auth: {auth_url: 'http://d', username: u, password: p}\n  src:\n    region_name: r\n    auth:\n      auth_url: http://h/v3\n      username: u\n      password: old\n";
    let world = World::new().file("cwd/clouds.yaml", clouds).file(
        "home/.config/openstack/secure.yaml",
        "clouds:\n  src:\n    auth:\n      password: new\n  dst:\n    auth:\n",
    );
    let config = world.load(Some("src")).unwrap();
    let Credentials::Password { password, .. } = config.credentials() else { panic!("{config:?}") };
    assert_eq!((password.expose_secret(), config.region(), host(&config)), ("new", Some("r"), "h"));
    // An empty `auth:` takes nothing away.
    assert_eq!(host(&world.load(Some("dst")).unwrap()), "d");
}

#[test]
fn a_profile_gives_what_the_cloud_does_not() {
    let world = World::new()
        .file("cwd/clouds.yaml", "clouds:\n  src:\n    profile: vendor\n    region_name: mine\n    auth: {username: u, password: p}\n")
        .file("cwd/clouds-public.yaml", "public-clouds:\n  vendor:\n    region_name: theirs\n    verify: false\n    auth: {auth_url: 'http://vendor/v3'}\n");
    let config = world.load(None).unwrap();
    assert_eq!((host(&config), config.region(), config.verify()), ("vendor", Some("mine"), false));
    let world = World::new()
        .file("cwd/clouds.yaml", "clouds:\n  src:\n    profile: nobody\n    auth: {username: u}\n");
    assert!(
        world.error(None).starts_with(
            "W/cwd/clouds.yaml, line 3: `clouds.src.profile` names `nobody`, which is not known; "
        )
    );
}

#[test]
fn a_region_is_picked_with_its_own_settings() {
    let text = |wanted: &str| {
        format!(
            "clouds:\n  src:\n    auth: {{auth_url: 'http://h', username: u, password: p}}\n{wanted}    regions:\n    - one\n    - name: two\n      values: {{verify: false}}\n"
        )
    };
    let load = |wanted: &str| World::new().file("cwd/clouds.yaml", &text(wanted)).load(None).unwrap();
    assert_eq!((load("").region(), load("").verify()), (Some("one"), true));
    let two = load("    region_name: two\n");
    assert_eq!((two.region(), two.verify()), (Some("two"), false));
    let world = World::new().file("cwd/clouds.yaml", &text("    region_name: three\n"));
    assert_eq!(
        world.error(None),
        "W/cwd/clouds.yaml, line 4: `clouds.src.region_name` is `three`; the regions of the cloud are: one, two"
    );
}

/// Reads settings as they stand under a cloud's name.
fn read(text: &str) -> Result<CloudConfig> {
    CloudConfig::from_yaml("src", text, "vars.yml")
}

fn with_auth(auth: &str) -> Result<CloudConfig> {
    read(&format!("auth: {{auth_url: 'http://h', {auth}}}"))
}

#[test]
fn each_kind_of_credentials_is_read() {
    let config = with_auth("user_id: uid, password: p, project_id: pid").unwrap();
    assert!(
        matches!(config.credentials(), Credentials::Password { user: UserIdentity::Id(id), .. } if id == "uid")
    );
    assert_eq!(*config.scope(), Scope::ProjectId("pid".into()));
    let config = with_auth("token: t, tenant_name: x, domain_id: d").unwrap();
    assert!(matches!(config.credentials(), Credentials::Token(_)));
    assert_eq!(*config.scope(), Scope::Project { name: "x".into(), domain: DomainIdentity::Id("d".into()) });
    let config =
        with_auth("application_credential_id: a, application_credential_secret: s, project_name: x").unwrap();
    assert!(matches!(config.credentials(), Credentials::ApplicationCredential { id, .. } if id == "a"));
    assert_eq!(*config.scope(), Scope::Unscoped);
    let config =
        with_auth("application_credential_name: a, application_credential_secret: s, username: u").unwrap();
    assert!(
        matches!(config.credentials(), Credentials::NamedApplicationCredential { name, .. } if name == "a")
    );
    assert_eq!(*with_auth("user_id: u, password: p, system_scope: all").unwrap().scope(), Scope::System);
    let config = with_auth("username: u, password: p, domain_name: D").unwrap();
    assert_eq!(*config.scope(), Scope::Domain(DomainIdentity::Name("D".into())));
    // The type named decides, not what else is there.
    let config =
        read("auth_type: v3token\nauth: {auth_url: 'http://h', token: t, username: u, password: p}").unwrap();
    assert!(matches!(config.credentials(), Credentials::Token(_)));
    // Keys with dashes, and credentials beside `auth`.
    let config = read("auth: {auth-url: 'http://h'}\nusername: u\npassword: p\nproject-name: x").unwrap();
    assert!(matches!(config.scope(), Scope::Project { name, .. } if name == "x"));
}

#[test]
fn the_other_settings_are_read() {
    let auth = "auth: {auth_url: 'http://h', username: u, password: p}\n";
    let config = read(&format!(
        "{auth}verify: no\ninterface: admin\nendpoint_type: internal\napi_timeout: 12.5\ncert: c.pem\nkey: k.pem\n\
         compute_default_microversion: '2.79'\nimage_interface: internal\nvolume_api_version: 3\ncompute_api_version: 2.1\n"
    ))
    .unwrap();
    assert_eq!((config.verify(), config.interface()), (false, Interface::Admin));
    assert_eq!(config.timeout(), Duration::from_millis(12_500));
    assert_eq!(config.default_microversion(ServiceKind::Compute).unwrap().unwrap().to_string(), "2.79");
    assert_eq!(config.interface_for(ServiceKind::Image), Interface::Internal);
    assert_eq!(config.interface_for(ServiceKind::Compute), Interface::Admin);
    let config = read(auth).unwrap();
    assert_eq!((config.verify(), config.interface(), config.region()), (true, Interface::Public, None));
    assert_eq!(config.timeout(), Duration::from_secs(60));
}

#[test]
fn mistakes_name_file_line_key_and_what_to_do() {
    let head = "auth:\n  auth_url: http://h\n  username: u\n  password: p\n";
    let cases = [
        (
            "auth:\n  username: u\n".to_owned(),
            "cloud `src` is missing `auth.auth_url`; give the address of Keystone, such as https://cloud.example.org:5000/v3",
        ),
        (
            "auth:\n  auth_url: h:5000\n".to_owned(),
            "vars.yml, line 2: `auth.auth_url` is `h:5000`, which is no web address; give the address of Keystone, such as https://cloud.example.org:5000/v3",
        ),
        (
            "auth:\n  auth_url: http://me:pw@h\n".to_owned(),
            "vars.yml, line 2: `auth.auth_url` holds a user or a password; put them under `username` and `password`",
        ),
        (
            "auth: text\n".to_owned(),
            "vars.yml, line 1: `auth` is no mapping; indent auth_url and the credentials under it",
        ),
        (
            "auth:\n  auth_url: http://h\n  username: u\n  password: 0123\n"
                .to_owned()
                .replace("0123", "123"),
            "vars.yml, line 4: `auth.password` is no text; put quotes around the value",
        ),
        (
            format!("{head}auth_type: v2password\n"),
            "vars.yml, line 5: `auth_type` is `v2password`; it must be password, token or v3applicationcredential (also v3password, v3token)",
        ),
        (
            format!("{head}verify: maybe\n"),
            "vars.yml, line 5: `verify` is neither true nor false; write true or false",
        ),
        (
            format!("{head}api_timeout: -1\n"),
            "vars.yml, line 5: `api_timeout` is no number of seconds; write one such as 60",
        ),
        (
            format!("{head}interface: pubic\n"),
            "vars.yml, line 5: `interface` is `pubic`; it must be public, internal or admin",
        ),
        (
            format!("{head}volume_api_version: 2\n"),
            "vars.yml, line 5: `volume_api_version` is `2`; only version 3 is spoken here, remove the key",
        ),
        (
            format!("{head}compute_default_microversion: 2.90\n"),
            "vars.yml, line 5: `compute_default_microversion` is no text; put quotes around the value",
        ),
        (
            format!("{head}  system_scope: all\n  project_name: x\n"),
            "vars.yml, line 5: `auth.system_scope` is given together with a project; a token is for one or the other, remove one",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(read(&text).unwrap_err().to_string(), expected, "for\n{text}");
    }
}

#[test]
fn the_file_a_mistake_stands_in_is_named() {
    let world = World::new()
        .file("cwd/clouds.yaml", "clouds:\n  dst:\n    auth:\n      password: ok\n  src:\n    auth:\n      auth_url: http://h\n      username: u\n")
        .file("cwd/secure.yaml", "clouds:\n  src:\n    auth:\n      # a number\n      password: 12345\n");
    assert_eq!(
        world.error(Some("src")),
        "W/cwd/secure.yaml, line 5: `clouds.src.auth.password` is no text; put quotes around the value"
    );
    assert_eq!(
        world.error(Some("dst")),
        "W/cwd/clouds.yaml, line 2: `clouds.dst` is missing `auth.auth_url`; give the address of Keystone, such as https://cloud.example.org:5000/v3"
    );
}

#[test]
fn broken_yaml_names_the_place_and_never_the_text() {
    let cases = [
        ("clouds:\n  src:\n\tauth: x\n", "line 3, ", "no tabs"),
        ("clouds:\n  src:\n    auth:\n      password: 'hunter2\n", "line ", "put quotes"),
        ("clouds:\n  src: {}\n  src: {}\n", "", "twice"),
    ];
    for (text, place, fix) in cases {
        let error = World::new().file("cwd/clouds.yaml", text).error(Some("src"));
        assert!(error.starts_with("W/cwd/clouds.yaml"), "{error}");
        assert!(error.contains(place) && error.contains(fix), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let error = World::new().file("cwd/clouds.yaml", "src: {}\n").error(Some("src"));
    assert_eq!(error, "W/cwd/clouds.yaml has no `clouds:`; put the clouds under it, by their names");
    let error = World::new().file("cwd/clouds.yaml", "clouds:\n  src: text\n").error(Some("src"));
    assert_eq!(
        error,
        "W/cwd/clouds.yaml, line 2: `clouds.src` is no mapping; indent the cloud's settings under it"
    );
}

#[test]
fn debug_shows_no_secret() {
    for auth in [
        "username: u, password: hunter2",
        "token: hunter2",
        "application_credential_id: a, application_credential_secret: hunter2",
    ] {
        let shown = format!("{:?}", with_auth(auth).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
