"""What VMware's own Python client sees of a vCenter, as JSON.

    pyvmomi_look.py HOST PORT CA USER    (the password comes on standard input)

It expects two machines: `app01`, off and not tracked, and `web01` in the folder `team`, running.
"""

import json
import ssl
import sys
import urllib.request
from urllib.parse import quote

from pyVim.connect import Disconnect, SmartConnect
from pyVim.task import WaitForTask
from pyVmomi import vim, vmodl


def machines(content):
    """All machines with some properties, by a view, three to a page."""
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    collector = vmodl.query.PropertyCollector
    along = collector.TraversalSpec(name="v", path="view", skip=False, type=type(view))
    paths = ["name", "runtime.powerState", "config.hardware.device", "config.instanceUuid", "parent", "guest.net"]
    spec = collector.FilterSpec(
        objectSet=[collector.ObjectSpec(obj=view, skip=True, selectSet=[along])],
        propSet=[collector.PropertySpec(type=vim.VirtualMachine, all=False, pathSet=paths)],
    )
    found = []
    page = content.propertyCollector.RetrievePropertiesEx([spec], collector.RetrieveOptions(maxObjects=1))
    while page:
        for item in page.objects:
            found.append({change.name: change.val for change in item.propSet} | {"moref": item.obj._moId})
        token = page.token
        page = content.propertyCollector.ContinueRetrievePropertiesEx(token) if token else None
    view.Destroy()
    return found


def disk_of(config, key=2000):
    return next(device for device in config.hardware.device if device.key == key)


def areas(machine, snapshot, key, change_id, capacity):
    found, offset = [], 0
    while offset < capacity:
        page = machine.QueryChangedDiskAreas(snapshot, key, offset, change_id)
        found += [[area.start, area.length] for area in page.changedArea]
        offset = page.startOffset + page.length
    return found


def snapshot_of(machine, name):
    task = machine.CreateSnapshot_Task(name, "of pyvmomi", False, False)
    WaitForTask(task)
    return task.info.result


def main():
    host, port, ca, user = sys.argv[1:5]
    password = sys.stdin.readline().rstrip("\n")
    context = ssl.create_default_context(cafile=ca)
    refused = None
    try:
        SmartConnect(host=host, port=int(port), user=user, pwd=password + "x", sslContext=context)
    except vim.fault.InvalidLogin as fault:
        refused = type(fault).__name__
    service = SmartConnect(host=host, port=int(port), user=user, pwd=password, sslContext=context)
    content = service.RetrieveContent()
    seen = {"about": content.about.fullName, "refused": refused}
    seen["user"] = content.sessionManager.currentSession.userName
    found = machines(content)
    seen["machines"] = sorted([m["name"], m["moref"], m["runtime.powerState"]] for m in found)
    seen["nets"] = {m["name"]: [ip for nic in m.get("guest.net", []) for ip in nic.ipAddress] for m in found}

    uuid = next(m["config.instanceUuid"] for m in found if m["name"] == "app01")
    app = content.searchIndex.FindByUuid(None, uuid, True, True)
    web = content.searchIndex.FindByInventoryPath("DC0/vm/team/web01")
    seen["by_uuid"], seen["by_path"] = app.name, web.name
    seen["by_no_path"] = content.searchIndex.FindByInventoryPath("DC0/vm/nobody")
    seen["folder"] = web.parent.name
    seen["summary"] = [app.summary.config.numVirtualDisks, app.datastore[0].summary.name, app.network[0].name]

    seen["tracked_before"] = app.config.changeTrackingEnabled
    WaitForTask(app.ReconfigVM_Task(vim.vm.ConfigSpec(changeTrackingEnabled=True)))
    seen["tracked_after"] = app.config.changeTrackingEnabled

    # What is on the disk, by a snapshot of a machine that is off.
    snapshot = snapshot_of(app, "first & <only>")
    frozen = disk_of(snapshot.config)
    seen["file"] = frozen.backing.fileName
    first_id = frozen.backing.changeId
    seen["change_id"] = first_id
    live = disk_of(app.config).backing
    seen["live_file"], seen["live_parent"] = live.fileName, live.parent.fileName
    tree = app.snapshot.rootSnapshotList
    seen["tree"] = [[node.name, node.description, node.snapshot == app.snapshot.currentSnapshot] for node in tree]
    capacity = frozen.capacityInBytes
    seen["capacity"] = capacity
    seen["ever"] = areas(app, snapshot, 2000, "*", capacity)

    # A range of it, by the cookie of the session.
    cookie = service._stub.cookie.split(";")[0]
    path = frozen.backing.fileName.split("] ")[1].replace(".vmdk", "-flat.vmdk")
    url = f"https://{host}:{port}/folder/{quote(path)}?dcPath=DC0&dsName={quote('ds')}"
    request = urllib.request.Request(url, headers={"Cookie": cookie, "Range": "bytes=1048576-1048591"})
    with urllib.request.urlopen(request, context=context) as answer:
        seen["range"] = [answer.status, answer.headers["Content-Range"], answer.read().decode()]
    WaitForTask(snapshot.RemoveSnapshot_Task(False))
    seen["left"] = app.snapshot

    # What a running machine wrote between two snapshots: nobody writes here, so it is nothing.
    one = snapshot_of(web, "one")
    since = disk_of(one.config).backing.changeId
    WaitForTask(one.RemoveSnapshot_Task(removeChildren=False, consolidate=True))
    two = snapshot_of(web, "two")
    seen["delta"] = areas(web, two, 2000, since, disk_of(two.config).capacityInBytes)
    faults = {}
    for change_id in ("nonsense", "52 00" + since[5:]):
        try:
            web.QueryChangedDiskAreas(two, 2000, 0, change_id)
        except (vmodl.fault.InvalidArgument, vim.fault.FileFault) as fault:
            keys = [message.key for message in fault.faultMessage]
            faults[type(fault).__name__] = keys or fault.invalidProperty
    seen["faults"] = faults
    WaitForTask(web.RemoveAllSnapshots_Task())

    WaitForTask(web.PowerOffVM_Task())
    seen["power"] = web.runtime.powerState
    try:
        web.ShutdownGuest()
    except vim.fault.InvalidPowerState as fault:
        seen["off_twice"] = [type(fault).__name__, fault.existingState]
    Disconnect(service)
    json.dump(seen, sys.stdout, default=str)


if __name__ == "__main__":
    main()
