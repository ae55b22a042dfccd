#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Runs osm-cli for one kind of resource, and tells Ansible what it changed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: resources
short_description: Exports, imports, moves, validates, takes inventories and makes conversion hosts with osm-cli
version_added: 0.1.0
description:
  - Reads one kind of resource of an OpenStack project to a YAML file, creates in another project what such a file
    describes, moves servers or volumes with their bytes, checks the files of a folder, or makes, checks and deletes
    conversion hosts.
  - Takes the inventory of a vSphere, seeds its machines while they run, and cuts them over.
  - Takes the variables of OS Migrate and of its VMware migration kit as they are, and runs C(osm-cli) on the host of
    the task.
  - The variables reach C(osm-cli) through a pipe. No secret is in an argument or in a file.
options:
  action:
    description: What to do.
    type: str
    required: true
    choices: [export, import, migrate, inventory, validate, deploy_hosts, check_hosts, delete_hosts]
  kind:
    description:
      - The kind of resource, such as V(networks); to migrate V(workloads), V(detached_volumes), or V(machines) for those
        of a vSphere. Not needed otherwise.
    type: str
  variables:
    description:
      - The variables of OS Migrate by name. C(os_migrate_data_dir) is required, and for the cloud in question either
        its C(os_migrate_src_auth) or C(os_migrate_dst_auth), or C(os_migrate_clouds_path).
      - A filter such as C(os_migrate_networks_filter) is a list of names and of dictionaries with the key C(regex).
        Without it all are taken, with an empty list none.
      - For machines of a vSphere those of the VMware migration kit, such as C(vcenter_hostname), C(dst_cloud) and
        C(vms_list). C(import_workloads_cbt_sync) and C(import_workloads_cutover) say whether machines are seeded or cut
        over; without both they are moved cold.
    type: dict
    required: true
  executable:
    description: The C(osm-cli) to run, a path or a name that is looked for on E(PATH).
    type: str
    default: osm-cli
attributes:
  check_mode:
    description:
      - Tells what would change, and writes nothing. What would become of conversion hosts is not told, nor of machines
        before there is an inventory.
    support: partial
author:
  - The osm authors
"""

EXAMPLES = r"""
- name: Export the networks whose names begin with web
  osm.migrate.resources:
    action: export
    kind: networks
    variables:
      os_migrate_data_dir: /home/me/tenant
      os_migrate_src_auth: "{{ old_cloud_credentials }}"
      os_migrate_networks_filter:
        - regex: ^web

- name: Check the files
  osm.migrate.resources:
    action: validate
    variables:
      os_migrate_data_dir: /home/me/tenant

- name: Bring the copies of two machines up to date while they run
  osm.migrate.resources:
    action: migrate
    kind: machines
    variables:
      os_migrate_vmw_data_dir: /home/me/vmware
      vcenter_hostname: vcenter.example.org
      vcenter_username: administrator@vsphere.local
      vcenter_password: "{{ vault_vcenter_password }}"
      dst_cloud: "{{ new_cloud }}"
      vms_list: [app01, db01]
      import_workloads_cbt_sync: true
"""

RETURN = r"""
resources:
  description: What became of each resource.
  returned: after export, import and migrate
  type: list
  elements: dict
  sample: [{kind: networks, name: web, source_id: 0f5c1b0e, destination_id: 77a1c0de, outcome: created, result: changed}]
machines:
  description: What vSphere tells of each machine.
  returned: after inventory
  type: list
  elements: dict
  sample: [{moref: vm-42, name: app01, cpus: 2, memory_mib: 4096, power: poweredOn}]
hosts:
  description: How each conversion host that answers is reached.
  returned: after deploy_hosts and check_hosts
  type: list
  elements: dict
  sample: [{host: os_migrate_conv_src, spec: "ssh:os_migrate_conv_src,address=192.0.2.7,user=cloud-user"}]
summary:
  description: How many resources, or parts of conversion hosts, had each outcome.
  returned: after everything but validate and inventory
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

from ansible.module_utils.basic import AnsibleModule

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

PLAN = "machines.yml"
CONVERTED = "Volume already converted"


def secrets(variables):
    """The secret values among the variables."""
    cloud = variables.get("dst_cloud")
    dictionaries = [variables.get("os_migrate_src_auth"), variables.get("os_migrate_dst_auth")]
    dictionaries.append(cloud.get("auth") if isinstance(cloud, dict) else None)
    found = {str(variables["vcenter_password"])} if variables.get("vcenter_password") else set()
    for auth in dictionaries:
        if isinstance(auth, dict):
            found.update(str(value) for key, value in auth.items() if value and key not in PUBLIC_KEYS)
    return found


def plan_of(variables):
    """Where the plan of the machines is, or is to be."""
    folder = variables.get("os_migrate_data_dir") or variables.get("os_migrate_vmw_data_dir")
    return os.path.join(os.path.expanduser(str(folder)), PLAN) if folder else None


def content(path):
    """The bytes of a file; none when there is no such file."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except (OSError, TypeError):
        return None


def arguments(module, executable):
    """The command line. It holds no secret: the variables come through standard input."""
    action = module.params["action"]
    if action.endswith("_hosts"):
        return [executable, "--output=json", "hosts", action.removesuffix("_hosts"), "--vars=/dev/stdin"]
    check = ["--check"] if module.check_mode else []
    if action == "inventory" or module.params["kind"] == "machines":
        return [executable, "--output=json", "vmware", action, "--vars=/dev/stdin", *check]
    words = [executable, "--output=json", action, "--vars=/dev/stdin"]
    if action == "validate":
        return words
    if action == "migrate":
        words.extend(["--detached-volumes"] if module.params["kind"] == "detached_volumes" else [])
    else:
        words.append(module.params["kind"])
    return words + check


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


def of_machines(told, resources, check):
    """What there is to say of machines beyond their outcome: a message, and whether a check foresees a change."""
    converted = {event["workload"] for event in told if event.get("event") == "step_done" and event.get("detail") == CONVERTED}
    for resource in resources:
        resource["kind"] = "machines"
        if resource["name"] in converted:
            resource["message"] = CONVERTED
    message = "\n".join(f"{resource['name']}: {resource.get('message') or resource['outcome']}" for resource in resources)
    return message, check and any(resource["name"] not in converted for resource in resources)


def run(module):
    """Runs osm-cli, and ends the task with what it told."""
    executable = module.get_bin_path(module.params["executable"], required=True)
    action = module.params["action"]
    if module.check_mode and action in ("deploy_hosts", "delete_hosts"):
        module.exit_json(skipped=True, msg="what would become of conversion hosts cannot be told without doing it")
    variables = {name: value for name, value in module.params["variables"].items() if value is not None}
    plan = plan_of(variables)
    before = content(plan)
    moves_machines = action == "migrate" and module.params["kind"] == "machines"
    if module.check_mode and moves_machines and before is None:
        module.exit_json(skipped=True, msg="what would become of machines cannot be told without an inventory")
    code, output, complaints = module.run_command(
        # JSON is YAML too, and quotes whatever needs it.
        arguments(module, executable), data=json.dumps(variables), handle_exceptions=True
    )
    told = events(output)
    members = ("kind", "name", "source_id", "destination_id", "outcome", "result", "error")
    resources = [
        {member: event[member] for member in members if member in event}
        for event in told
        if event.get("event") in ("exported", "imported")
    ]
    resources += [
        {"kind": "workloads", "name": event["workload"], "destination_id": event["server_id"], "outcome": event["outcome"]}
        for event in told
        if event.get("event") == "workload_done"
    ]
    summary = next((event for event in reversed(told) if event.get("event") == "summary"), {})
    summary.pop("event", None)
    for event in told:
        if event.get("event") == "warning":
            module.warn(event["message"])
    result = {"changed": summary.get("changed", False), "resources": resources, "summary": summary}
    if moves_machines:
        result["msg"], foreseen = of_machines(told, resources, module.check_mode)
        result["changed"] = result["changed"] or foreseen
    if action == "inventory":
        found = [event for event in told if event.get("event") == "machine"]
        machines = [{key: value for key, value in event.items() if key != "event"} for event in found]
        # A check writes no plan: one would be made.
        result = {"changed": before is None if module.check_mode else content(plan) != before, "machines": machines}
        result["changed"] = result["changed"] and plan is not None
    if action.endswith("_hosts"):
        members = ("host", "spec")
        ready = [event for event in told if event.get("event") == "host_ready"]
        result["hosts"] = [{member: event[member] for member in members} for event in ready]
    if code != 0:
        errors = errors_of(told, summary) or [complaints.strip() or f"osm-cli ended with exit code {code}"]
        result["msg"] = "\n".join(errors)
        module.fail_json(errors=errors, rc=code, **result)
    module.exit_json(**result)


def main():
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "action": {
                "type": "str",
                "required": True,
                "choices": ["export", "import", "migrate", "inventory", "validate", "deploy_hosts", "check_hosts", "delete_hosts"],
            },
            "kind": {"type": "str"},
            "variables": {"type": "dict", "required": True, "no_log": True},
            "executable": {"type": "str", "default": "osm-cli"},
        },
        required_if=[("action", action, ["kind"]) for action in ("export", "import", "migrate")],
        supports_check_mode=True,
    )
    # `no_log` keeps the variables out of the system's log. In the results only what is secret is masked: were every
    # value, a name that equals the project's would be unreadable.
    module.no_log_values = secrets(module.params["variables"])
    run(module)


if __name__ == "__main__":
    main()
