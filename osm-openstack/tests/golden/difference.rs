//! Where our files differ from OS Migrate's on purpose, because its own say something wrong.
//!
//! It reads the properties of images with openstacksdk's types. A flag is any text but the empty
//! one, so `hw_boot_menu=false` becomes `true`; a number that is not all digits becomes 0.
//! It exports a rule whose other side is an address group without saying so: such a rule lets
//! everybody in. `docs/compatibility.md` tells more.

use osm_model::{Image, OS_MIGRATE_VERSION, Resource, ResourceFile};

use crate::json::Json;

/// Our resources with these values as OS Migrate has them; `images` are Glance's answers.
pub(crate) fn as_os_migrate_has_it(mut resource: Resource, images: &[&Json]) -> Resource {
    let Resource::Image(image) = &mut resource else { return resource };
    let answer = images.iter().find(|answer| answer.text(&["id"]) == image.info.id.as_deref());
    if let Some(answer) = answer {
        flags(image, answer);
        numbers(image, answer);
    }
    resource
}

/// A file of OS Migrate without the rules that are not what it says; `rules` are Neutron's answers.
pub(crate) fn without_address_groups(text: &str, rules: &[&Json]) -> String {
    let is_group = |rule: &&&Json| rule.text(&["remote_address_group_id"]).is_some();
    let wrong: Vec<_> = rules.iter().filter(is_group).map(|rule| rule.text(&["id"])).collect();
    if wrong.is_empty() {
        return text.to_owned();
    }
    let mut file = ResourceFile::parse(text, OS_MIGRATE_VERSION).unwrap();
    file.resources.retain(|rule| !wrong.contains(&rule.id()));
    file.to_yaml()
}

fn flags(image: &mut Image, answer: &Json) {
    let params = &mut image.params;
    for (key, flag) in [
        ("hw_boot_menu", &mut params.is_hw_boot_menu_enabled),
        ("hw_vif_multiqueue_enabled", &mut params.is_hw_vif_multiqueue_enabled),
        ("os_require_quiesce", &mut params.os_require_quiesce),
    ] {
        if let Some(text) = answer.text(&[key]) {
            *flag = Some(!text.is_empty());
            params.properties.remove(key);
        }
    }
}

fn numbers(image: &mut Image, answer: &Json) {
    let params = &mut image.params;
    for (key, number) in [
        ("hw_cpu_cores", &mut params.hw_cpu_cores),
        ("hw_cpu_sockets", &mut params.hw_cpu_sockets),
        ("hw_cpu_threads", &mut params.hw_cpu_threads),
        ("hw_serial_port_count", &mut params.hw_serial_port_count),
        ("hw_video_ram", &mut params.hw_video_ram),
        ("os_shutdown_timeout", &mut params.os_shutdown_timeout),
    ] {
        if let Some(text) = answer.text(&[key]) {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            *number = Some(if is_number { text.parse().unwrap_or_default() } else { 0 });
            params.properties.remove(key);
        }
    }
}

#[test]
fn a_false_flag_is_true_for_os_migrate_and_a_word_is_nought() {
    let answer = Json::parse(r#"{"id": "i", "hw_boot_menu": "false", "hw_video_ram": "all"}"#);
    let mut image = Image::default();
    image.info.id = Some("i".to_owned());
    image.params.is_hw_boot_menu_enabled = Some(false);
    image.params.properties.insert("hw_video_ram".to_owned(), "all".into());
    let Resource::Image(theirs) = as_os_migrate_has_it(Resource::Image(image), &[&answer]) else {
        unreachable!()
    };
    assert_eq!(theirs.params.is_hw_boot_menu_enabled, Some(true));
    assert_eq!(theirs.params.hw_video_ram, Some(0));
    assert!(theirs.params.properties.is_empty());
}

#[test]
fn a_rule_for_an_address_group_is_taken_out_of_the_file() {
    let rule = |id: &str, group: &str| {
        Json::parse(&format!(r#"{{"id": "{id}", "remote_address_group_id": {group}}}"#))
    };
    let mut file = ResourceFile::new();
    for id in ["a", "b"] {
        let mut rule = osm_model::SecurityGroupRule::default();
        rule.info.id = Some(id.to_owned());
        file.resources.push(Resource::SecurityGroupRule(rule));
    }
    let (plain, grouped) = (rule("a", "null"), rule("b", r#""g""#));
    assert_eq!(without_address_groups(&file.to_yaml(), &[&plain]), file.to_yaml());
    let left = without_address_groups(&file.to_yaml(), &[&plain, &grouped]);
    assert!(left.contains("id: a") && !left.contains("id: b"), "{left}");
}
