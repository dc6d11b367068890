"""The states of a server, and those that an import cannot begin in.

Nova's documentation, "Virtual Machine States and Transitions", and its API guide, "Server concepts":
``vm_state`` is what a server has come to, ``task_state`` what is being done to it, ``power_state`` what its host saw.
"""

from collections.abc import Iterator

from thresher.model.vm import Loss, PowerState, Severity
from thresher.sources.openstack.rows import Row

VM_STATE = "OS-EXT-STS:vm_state"
TASK_STATE = "OS-EXT-STS:task_state"
_POWER_STATE = "OS-EXT-STS:power_state"
_RUNNING, _PAUSED, _SUSPENDED = 1, 3, 7
"""nova.objects.fields.InstancePowerState."""

_OF_VM_STATE = {
    "active": PowerState.ON,
    "rescued": PowerState.ON,
    "stopped": PowerState.OFF,
    "paused": PowerState.SUSPENDED,
    "suspended": PowerState.SUSPENDED,
    "shelved": PowerState.OFF,
    "shelved_offloaded": PowerState.OFF,
}
_OF_POWER_STATE = {_RUNNING: PowerState.ON, _PAUSED: PowerState.SUSPENDED, _SUSPENDED: PowerState.SUSPENDED}

_CANNOT = {
    "building": "It is being built: wait until it is active.",
    "error": "Nova calls it broken (ERROR): mend it there, for instance by a hard reboot, or reset its state.",
    "rescued": "It runs in rescue mode, from another disk than its own: unrescue it first.",
    "resized": "Its resize is not confirmed, so that it is there twice: confirm or revert it first.",
    "shelved": "It is shelved, and its root disk lies in an image: unshelve it first.",
    "shelved_offloaded": "It is shelved, and its root disk lies in an image: unshelve it first.",
    "soft-delete": "It is deleted and only kept for a while: restore it first.",
    "deleted": "It is deleted.",
}
_HARMLESS_TASKS = {
    "powering-off",
    "powering-on",
    "image_snapshot",
    "image_snapshot_pending",
    "image_pending_upload",
    "image_uploading",
}
"""What an import does itself, and what a worker that begins anew may find under way."""


def power_of(server: Row) -> PowerState:
    """Whether it runs: what Nova made of it, and what its host saw where Nova cannot tell."""
    known = _OF_VM_STATE.get(str(server.get(VM_STATE)))
    return known if known is not None else _OF_POWER_STATE.get(server.get(_POWER_STATE, 0), PowerState.OFF)


def obstacles(server: Row) -> Iterator[Loss]:
    """Why an import cannot begin, as blockers."""
    state, task = str(server.get(VM_STATE)), server.get(TASK_STATE)
    if state in _CANNOT:
        fault = str((server.get("fault") or {}).get("message") or "").strip().rstrip(".")
        told = f" Nova says: {fault}." if fault and state == "error" else ""
        yield Loss("ServerState", "VM", _CANNOT[state] + told, Severity.BLOCKER)
    elif state not in _OF_VM_STATE:
        word = server.get("status") or "UNKNOWN"
        yield Loss("ServerState", "VM", f"Nova calls its state {word}: see there what is wrong.", Severity.BLOCKER)
    elif task and task not in _HARMLESS_TASKS:
        yield Loss("ServerBusy", "VM", f"Nova is busy with it ({task}): wait until that is done.", Severity.BLOCKER)
    if server.get("locked") and power_of(server) is not PowerState.OFF:
        reason = f" ({server['locked_reason']})" if server.get("locked_reason") else ""
        message = f"It is locked{reason} and runs, so that only an administrator may stop it: unlock it or stop it."
        yield Loss("ServerLocked", "VM", message, Severity.BLOCKER)
