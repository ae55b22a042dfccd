//! `import` blocks, with which Terraform and OpenTofu (1.5 or newer) take objects over that are there already.
//!
//! Types and import ids are those of terraform-provider-openstack (docs/resources/*.md, section Import).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::Moved;

/// The type of the provider for a kind, and how an object of it is called when it is imported.
fn resource_of(moved: &Moved) -> Result<(&'static str, String), &'static str> {
    let id = moved.destination_id.clone();
    Ok(match moved.kind.as_str() {
        "projects" => ("openstack_identity_project_v3", id),
        "users" => ("openstack_identity_user_v3", id),
        "user_project_role_assignments" => ("openstack_identity_role_assignment_v3", assignment(&id)?),
        "networks" => ("openstack_networking_network_v2", id),
        "subnets" => ("openstack_networking_subnet_v2", id),
        "security_groups" => ("openstack_networking_secgroup_v2", id),
        "security_group_rules" => ("openstack_networking_secgroup_rule_v2", id),
        "routers" => ("openstack_networking_router_v2", id),
        // By the id of the port.
        "router_interfaces" => ("openstack_networking_router_interface_v2", id),
        "images" => ("openstack_images_image_v2", id),
        // By the name, which is the id in Nova, too.
        "keypairs" => ("openstack_compute_keypair_v2", id),
        "flavors" => ("openstack_compute_flavor_v2", id),
        "workloads" => ("openstack_compute_instance_v2", id),
        Moved::VOLUMES | "detached_volumes" => ("openstack_blockstorage_volume_v3", id),
        Moved::PORTS => ("openstack_networking_port_v2", id),
        Moved::FLOATING_IPS => ("openstack_networking_floatingip_v2", id),
        "users_keypairs" => return Err("the provider imports keypairs of its own user only"),
        _ => return Err("the provider has no such type"),
    })
}

/// `domain/project/group/user/role` of our `project/user/role`.
fn assignment(id: &str) -> Result<String, &'static str> {
    match id.split('/').collect::<Vec<_>>().as_slice() {
        [project, user, role] => Ok(format!("/{project}//{user}/{role}")),
        _ => Err("its project, user and role are not known"),
    }
}

/// The text of the file.
pub(super) fn text(entries: &[&Moved]) -> String {
    let mut text = String::new();
    for (moved, block) in entries.iter().zip(blocks(entries)) {
        if !text.is_empty() {
            text.push('\n');
        }
        let shown = moved.name.as_deref().unwrap_or("without name").escape_debug();
        let source = moved.source_id.as_deref().unwrap_or("unknown").escape_debug();
        let _ = writeln!(text, "# {} {shown}, {source} in the source", moved.kind);
        match block {
            Ok(Block { resource, name, id }) => {
                let id = literal(&id);
                let _ = writeln!(text, "import {{\n  to = {resource}.{name}\n  id = {id}\n}}");
            }
            Err(why) => {
                let _ = writeln!(text, "# {}: {why}", moved.destination_id.escape_debug());
            }
        }
    }
    text
}

struct Block {
    resource: &'static str,
    name: String,
    id: String,
}

/// The block of each entry, under a name that is the same in each run and no other entry's of its type.
fn blocks(entries: &[&Moved]) -> Vec<Result<Block, &'static str>> {
    let mut seen = BTreeSet::new();
    let mut blocks: Vec<Result<Block, &'static str>> = Vec::new();
    for moved in entries {
        blocks.push(resource_of(moved).and_then(|(resource, id)| {
            let name = identifier(moved.name.as_deref().unwrap_or_default());
            let is_new = seen.insert((resource, id.clone()));
            is_new.then_some(Block { resource, name, id }).ok_or("imported above")
        }));
    }
    // Those of one name, whatever their order: each is told apart by an id.
    let by_source = |moved: &Moved| moved.source_id.clone().unwrap_or_default();
    let by_destination = |moved: &Moved| moved.destination_id.clone();
    for id_of in [&by_source as &dyn Fn(&Moved) -> String, &by_destination] {
        let mut uses = BTreeMap::<(&str, String), usize>::new();
        for block in blocks.iter().flatten() {
            *uses.entry((block.resource, block.name.clone())).or_default() += 1;
        }
        for (moved, block) in entries.iter().zip(&mut blocks) {
            if let Ok(block) = block
                && uses.get(&(block.resource, block.name.clone())) > Some(&1)
            {
                block.name = format!("{}_{}", block.name, identifier(&id_of(moved)));
            }
        }
    }
    blocks
}

/// Letters, digits, `_` and `-`, not beginning with a digit or `-`.
fn identifier(name: &str) -> String {
    let fits = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
    let name: String = name.chars().map(fits).collect();
    match name.chars().next() {
        Some(first) if first.is_ascii_alphabetic() || first == '_' => name,
        _ => format!("_{name}"),
    }
}

/// A string of HCL, in which nothing is a template.
fn literal(text: &str) -> String {
    let mut literal = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => literal.extend(['\\', letter]),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            letter if letter.is_control() => {
                let _ = write!(literal, "\\u{:04x}", u32::from(letter));
            }
            letter => literal.push(letter),
        }
    }
    literal.push('"');
    literal.replace("${", "$${").replace("%{", "%%{")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::moved;
    use super::*;

    /// Type, name and id of each block, as a parser of the language reads them.
    fn parsed(text: &str) -> Vec<(String, String)> {
        let body = hcl::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let of_block = |block: &hcl::Block| {
            let value = |key: &str| {
                let attribute = block.body.attributes().find(|attribute| attribute.key() == key).unwrap();
                match attribute.expr() {
                    hcl::Expression::String(text) => text.clone(),
                    hcl::Expression::TemplateExpr(template) => {
                        let template = hcl::Template::from_expr(template).unwrap();
                        let elements = template.elements().iter().map(|element| match element {
                            hcl::template::Element::Literal(text) => text.clone(),
                            other => panic!("a template: {other:?}"),
                        });
                        elements.collect()
                    }
                    other => hcl::format::to_string(other).unwrap(),
                }
            };
            assert_eq!(block.identifier(), "import");
            (value("to"), value("id"))
        };
        body.blocks().map(of_block).collect()
    }

    #[test]
    fn each_kind_is_imported_as_the_provider_wants_it() {
        let entries = [
            moved("networks", "front", "s1", "d1"),
            moved("workloads", "web 1", "s2", "d2"),
            moved("volumes", "web 1", "s3", "d3"),
            moved("user_project_role_assignments", "a: member in p", "s4", "p/u/r"),
            moved("users_keypairs", "alice: key", "key", "key"),
            moved("domains", "x", "s", "d"),
        ];
        let text = text(&entries.iter().collect::<Vec<_>>());
        let expected = [
            ("openstack_networking_network_v2.front", "d1"),
            ("openstack_compute_instance_v2.web_1", "d2"),
            ("openstack_blockstorage_volume_v3.web_1", "d3"),
            ("openstack_identity_role_assignment_v3.a__member_in_p", "/p//u/r"),
        ];
        assert_eq!(parsed(&text), expected.map(|(to, id)| (to.to_owned(), id.to_owned())));
        assert!(
            text.contains("# users_keypairs alice: key, key in the source\n# key: the provider"),
            "{text}"
        );
        assert!(text.starts_with("# networks front, s1 in the source\nimport {\n  to = openstack"), "{text}");
    }

    #[test]
    fn names_do_not_depend_on_what_comes_first() {
        let (one, two) = (moved("networks", "a b", "s1", "d1"), moved("networks", "a_b", "s2", "d2"));
        let third = moved("networks", "a_b_s1", "s3", "d3");
        let all = |entries: &[&Moved]| {
            let mut blocks = parsed(&text(entries));
            blocks.sort();
            blocks
        };
        assert_eq!(all(&[&one, &two, &third]), all(&[&third, &two, &one]));
        assert_eq!(all(&[&one, &two])[1].0, "openstack_networking_network_v2.a_b_s2");
        // Moved twice, imported once.
        assert_eq!(all(&[&one, &moved("networks", "c", "s4", "d1")]).len(), 1);
    }

    proptest! {
        #[test]
        fn whatever_things_are_called_it_is_a_file_of_terraform(
            things in proptest::collection::vec((any::<String>(), any::<String>(), any::<String>()), 0..8)
        ) {
            let entries: Vec<Moved> =
                things.iter().map(|(name, source, id)| moved("networks", name, source, id)).collect();
            let blocks = parsed(&text(&entries.iter().collect::<Vec<_>>()));
            let ids: BTreeSet<&String> = things.iter().map(|(_, _, id)| id).collect();
            prop_assert_eq!(blocks.iter().map(|(_, id)| id).collect::<BTreeSet<_>>(), ids);
            let names: BTreeSet<_> = blocks.iter().map(|(to, _)| to).collect();
            prop_assert_eq!(names.len(), blocks.len());
        }
    }
}
