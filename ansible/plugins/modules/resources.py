#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Runs osm-cli for one kind of resource, and tells Ansible what it changed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: resources
short_description: Exports, imports or validates resource files with osm-cli
version_added: 0.1.0
description:
  - Reads one kind of resource of an OpenStack project to a YAML file, creates in another project what such a file
    describes, or checks the files of a folder.
  - Takes the variables of OS Migrate as they are, and runs C(osm-cli) on the host of the task.
  - Credentials reach C(osm-cli) in a temporary file that only the user of the task can read, never as arguments.
options:
  action:
    description: What to do.
    type: str
    required: true
    choices: [export, import, validate]
  kind:
    description: The kind of resource, such as V(networks). Not needed to validate.
    type: str
  filter:
    description:
      - Names of the resources to take; an item is a name or a dictionary with the key C(regex).
      - Without it all are taken, with an empty list none.
    type: list
    elements: raw
  variables:
    description:
      - The variables of OS Migrate by name. C(os_migrate_data_dir) is required, and for the cloud in question either
        its C(os_migrate_src_auth) or C(os_migrate_dst_auth), or C(os_migrate_clouds_path).
      - A variable that this kind and action have no use for is left alone.
    type: dict
    required: true
  executable:
    description: The C(osm-cli) to run, a path or a name that is looked for on E(PATH).
    type: str
    default: osm-cli
attributes:
  check_mode:
    description: Tells what would change, and writes nothing. With an C(osm-cli) that cannot tell, the task is skipped.
    support: full
author:
  - The osm authors
"""

EXAMPLES = r"""
- name: Export the networks whose names begin with web
  osm.migrate.resources:
    action: export
    kind: networks
    filter:
      - regex: ^web
    variables:
      os_migrate_data_dir: /home/me/tenant
      os_migrate_src_auth: "{{ old_cloud_credentials }}"

- name: Check the files
  osm.migrate.resources:
    action: validate
    variables:
      os_migrate_data_dir: /home/me/tenant
"""

RETURN = r"""
resources:
  description: What became of each resource.
  returned: after export and import
  type: list
  elements: dict
  sample: [{kind: networks, name: web, id: 0f5c1b0e, outcome: created}]
summary:
  description: How many resources had each outcome.
  returned: after export and import
  type: dict
  sample: {created: 1, updated: 0, unchanged: 7, written: 0, skipped: 0, failed: 0}
errors:
  description: Every error, one a line.
  returned: failure
  type: list
  elements: str
"""

import json
import os
import tempfile

from ansible.module_utils.basic import AnsibleModule

SIDE_OF = {"export": "src", "import": "dst"}

# What follows os_migrate_SIDE_ in the variables of OS Migrate, and the key of clouds.yaml.
CLOUD_KEYS = {
    "auth": "auth",
    "auth_type": "auth_type",
    "region_name": "region_name",
    "validate_certs": "verify",
    "ca_cert": "cacert",
    "client_cert": "cert",
    "client_key": "key",
}

# Credentials that are no secrets. A key that is not here is taken for one.
PUBLIC_KEYS = {
    "application_credential_id",
    "application_credential_name",
    "auth_url",
    "default_domain",
    "domain_id",
    "domain_name",
    "project_domain_id",
    "project_domain_name",
    "project_id",
    "project_name",
    "system_scope",
    "tenant_name",
    "user_domain_id",
    "user_domain_name",
    "user_id",
    "username",
}

# Outcomes of a resource that mean that something was changed.
CHANGES = ("created", "updated", "written")


def secrets(variables):
    """The secret values among the variables."""
    found = set()
    for side in SIDE_OF.values():
        auth = variables.get(f"os_migrate_{side}_auth")
        if isinstance(auth, dict):
            found.update(str(value) for key, value in auth.items() if value and key not in PUBLIC_KEYS)
    return found


def write_clouds(module, side):
    """A clouds file with the credentials of one side; it goes when the task ends, however it ends."""
    variables = module.params["variables"]
    cloud = {}
    for theirs, key in CLOUD_KEYS.items():
        value = variables.get(f"os_migrate_{side}_{theirs}")
        if value not in (None, ""):
            cloud[key] = value
    if "verify" in cloud:
        cloud["verify"] = module.boolean(cloud["verify"])
    # mkstemp makes files of mode 0600. JSON is YAML too, and quotes whatever needs it.
    handle, path = tempfile.mkstemp(prefix="osm-clouds-", suffix=".yaml", dir=module.tmpdir)
    module.add_cleanup_file(path)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({"clouds": {side: cloud}}, file)
    return path


def clouds(module, side):
    """The file in which osm-cli finds the cloud of one side."""
    variables = module.params["variables"]
    if variables.get(f"os_migrate_{side}_auth"):
        return write_clouds(module, side)
    if variables.get("os_migrate_clouds_path"):
        return variables["os_migrate_clouds_path"]
    module.fail_json(
        msg=f"the {side} cloud is not known: set os_migrate_{side}_auth to its credentials, or "
        f"os_migrate_clouds_path to a clouds.yaml with the entry {side}"
    )


def filter_arguments(module):
    """The filter in words of osm-cli; an item that is neither a name nor a regex fails the task."""
    words = []
    for item in module.params["filter"]:
        if isinstance(item, str):
            words.append(f"--name={item}")
        elif isinstance(item, dict) and isinstance(item.get("regex"), str):
            words.append(f"--regex={item['regex']}")
        else:
            module.fail_json(msg=f"filter of {module.params['kind']}: {item!r} is neither a name nor `regex: PATTERN`")
    return words


def arguments(module, executable):
    """The command line. It holds no secret."""
    action, kind = module.params["action"], module.params["kind"]
    data_dir = module.params["variables"].get("os_migrate_data_dir")
    if not data_dir:
        module.fail_json(msg="os_migrate_data_dir is not set: it is the folder of the resource files")
    words = [executable, "--output=json", action, f"--data-dir={data_dir}"]
    if action == "validate":
        return words
    if module.check_mode:
        if "--check" not in module.run_command([executable, action, "--help"])[1]:
            module.exit_json(changed=False, skipped=True, msg=f"this osm-cli cannot foretell what {action} would change")
        words.append("--check")
    side = SIDE_OF[action]
    words += [f"--clouds={clouds(module, side)}", f"--{side}={side}", kind]
    if module.params["filter"] is not None:
        words += filter_arguments(module)
    return words


def events(output):
    """The events osm-cli told, one a line; a line that is none is left out."""
    found = []
    for line in output.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            found.append(event)
    return found


def errors_of(told, summary):
    """Every error that was told, each in one line."""
    errors = [event["error"] for event in told if event.get("event") == "invalid"]
    for failure in summary.get("failures", []):
        hint = f" ({failure['hint']})" if failure.get("hint") else ""
        errors.append(f"{failure.get('item')}: {failure.get('error')}{hint}")
    for event in told:
        if event.get("event") == "error":
            errors.append(": ".join([event["message"], *event.get("causes", [])]))
    return errors


def run(module):
    """Runs osm-cli, and ends the task with what it told."""
    executable = module.get_bin_path(module.params["executable"], required=True)
    if module.params["filter"] == []:
        module.exit_json(changed=False, resources=[], summary={}, msg="the filter is empty: nothing was asked for")
    code, output, complaints = module.run_command(arguments(module, executable), handle_exceptions=True)
    told = events(output)
    resources = [
        {key: event.get(key) for key in ("kind", "name", "id", "outcome")}
        for event in told
        if event.get("event") in ("exported", "imported")
    ]
    summary = next((event for event in reversed(told) if event.get("event") == "summary"), {})
    summary.pop("event", None)
    for event in told:
        if event.get("event") == "warning":
            module.warn(event["message"])
    result = {
        "changed": any(summary.get(outcome, 0) > 0 for outcome in CHANGES),
        "resources": resources,
        "summary": summary,
    }
    if code != 0:
        errors = errors_of(told, summary) or [complaints.strip() or f"osm-cli ended with exit code {code}"]
        module.fail_json(msg="\n".join(errors), errors=errors, rc=code, **result)
    module.exit_json(**result)


def main():
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "action": {"type": "str", "required": True, "choices": ["export", "import", "validate"]},
            "kind": {"type": "str"},
            "filter": {"type": "list", "elements": "raw"},
            "variables": {"type": "dict", "required": True, "no_log": True},
            "executable": {"type": "str", "default": "osm-cli"},
        },
        required_if=[("action", "export", ["kind"]), ("action", "import", ["kind"])],
        supports_check_mode=True,
    )
    # `no_log` keeps the variables out of the system's log. In the results only what is secret is masked: were every
    # value, a name that equals the project's would be unreadable.
    module.no_log_values = secrets(module.params["variables"])
    run(module)


if __name__ == "__main__":
    main()
