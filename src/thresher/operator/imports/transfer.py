"""The objects of one transfer: what a worker is given, and the Job that runs it. Purely computational."""

import base64
import math
from collections.abc import Sequence

import yaml

from thresher.model.handover import BANDWIDTH, COMMAND, FINGERPRINT
from thresher.model.units import GIB, Bytes, gib_of_bytes
from thresher.model.vm import DiskFormat, SourceVM
from thresher.operator.bandwidth import source_key
from thresher.operator.kinds import (
    CONFIG_MAP,
    IMPORT_LABEL,
    JOB,
    ROLE,
    ROLE_BINDING,
    SECRET,
    SERVICE_ACCOUNT,
)
from thresher.operator.settings import Scratch, Worker
from thresher.targets.harvester.objects import CLAIM, Kind, Object
from thresher.targets.harvester.volumes import VolumeFacts
from thresher.transfer.layout import DRIVERS

LEDGERS = GIB // 16
"""Room for the ledgers of volumes, of some kilobytes each, and for the file system. Claims are in whole GiB."""
COPIED = frozenset({*DRIVERS, DiskFormat.UNKNOWN})
"""Formats of which a copy may be needed, where the source cannot be read at random places."""
DEVICES = "/dev/thresher"
"""Where a worker finds the volumes that it writes, each under its claim's UID: a ledger, which has the device's name,
is then never one of another volume."""
RESTARTS = 6
"""``backoffLimit``: Kubernetes' own default. A worker tries again by itself before it ends with an error."""
NON_ROOT = 65532
"""The user ``nonroot`` of distroless images."""
CONFIG, SCRATCH, TEMPORARY = "/etc/thresher", "/scratch", "/var/lib/thresher"
SOURCE = "thresher.harvesterhci.io/source"
"""On a Job: which source its bandwidth is that of, for an operator that finds it running."""
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where the kubelet mounts it ("Accessing the Kubernetes API from a Pod")."""


def name_of(uid: str) -> str:
    """What every object of an import's transfer is called."""
    return f"thresher-{uid}"


def manifests_yaml(objects: Sequence[Object]) -> str:
    """The source, its Secret and the import as ``thresher run -f`` reads them: what is asked for, no more."""
    return yaml.safe_dump_all([_asked(obj) for obj in objects], sort_keys=False, allow_unicode=True)


def _asked(obj: Object) -> Object:
    meta: Object = {key: obj["metadata"][key] for key in ("name", "namespace", "uid") if key in obj["metadata"]}
    pinned = (obj.get("status") or {}).get("fingerprint")
    if pinned:
        meta["annotations"] = {FINGERPRINT: pinned}
    rest: Object = {key: obj[key] for key in ("spec", "data") if key in obj}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": meta, **rest}


def by_id(vmi: Object, vm: SourceVM) -> Object:
    """An import that asks for its VM by the id of the one that was accepted.

    Another may get its name meanwhile: a worker would find two, or take the other's disks.
    """
    return {**vmi, "spec": {**vmi["spec"], "virtualMachineName": vm.id}}


def scratch_size(vm: SourceVM, scratch: Scratch, *, volumes: bool = False) -> Bytes:
    """How large the worker's volume is: what the disks can come to, and room for the file system.

    Args:
        vm: the source VM.
        scratch: how it is made.
        volumes: whether disks are written to volumes. Their ledgers remain, which are small.

    An image that only qemu-img reads, or that may turn out to be one, is copied there first where its source cannot be
    read at random places (an image of a Glance that keeps its images in Ceph), which shows when it is opened.
    """
    copied = [disk for disk in vm.disks if disk.format in COPIED]
    disks = sum(disk.capacity or Bytes(GIB) for disk in (*copied, *(() if volumes else vm.disks)))
    return Bytes(math.ceil(disks * scratch.factor) + (LEDGERS if volumes else 0))


def owner(vmi: Object) -> Object:
    """The owner reference to an import."""
    meta = vmi["metadata"]
    return {
        "apiVersion": vmi["apiVersion"],
        "kind": vmi["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
    }


def _object(kind: Kind, vmi: Object, **rest: object) -> Object:
    uid = vmi["metadata"]["uid"]
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {
            "name": name_of(uid),
            "namespace": vmi["metadata"]["namespace"],
            "labels": {IMPORT_LABEL: uid},
            "ownerReferences": [owner(vmi)],
        },
        **rest,
    }


def handover(vmi: Object, manifests: str, token: str, rate: Bytes | None = None) -> list[tuple[Kind, Object]]:
    """Everything but the Job: the Secret, the ConfigMap, and the right to that one ConfigMap."""
    name = name_of(vmi["metadata"]["uid"])
    subject = {"kind": "ServiceAccount", "name": name, "namespace": vmi["metadata"]["namespace"]}
    rule = {
        "apiGroups": [""],
        "resources": ["configmaps"],
        "resourceNames": [name],
        "verbs": ["get", "watch", "patch"],
    }
    role = {"apiGroup": ROLE.group, "kind": ROLE.name, "name": name}
    secret = {"manifests.yaml": _base64(manifests), "token": _base64(token)}
    return [
        (SERVICE_ACCOUNT, _object(SERVICE_ACCOUNT, vmi)),
        (ROLE, _object(ROLE, vmi, rules=[rule])),
        (ROLE_BINDING, _object(ROLE_BINDING, vmi, roleRef=role, subjects=[subject])),
        (SECRET, _object(SECRET, vmi, type="Opaque", data=secret)),
        (CONFIG_MAP, _object(CONFIG_MAP, vmi, data={COMMAND: ""} | bandwidth_told(rate))),
    ]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def bandwidth_told(rate: Bytes | None) -> dict[str, str]:
    """What a worker reads of its rate."""
    return {BANDWIDTH: "" if rate is None else str(rate)}


def source_of(vmi: Object) -> str:
    """The source that an import's bandwidth is that of."""
    ref = vmi["spec"]["sourceCluster"]
    return source_key(ref["kind"], ref.get("namespace") or vmi["metadata"]["namespace"], ref["name"])


def command(vmi: Object, word: str) -> Object:
    """The ConfigMap with what the worker is told: "" or that it has to stop. The report in it is the worker's."""
    return _object(CONFIG_MAP, vmi, data={COMMAND: word})


def scratch_claim(vmi: Object, size: Bytes, scratch: Scratch) -> Object:
    """The worker's volume. It is the import's and not the Pod's, so that neither a drained node nor a rest loses it."""
    spec: Object = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{max(1, gib_of_bytes(size))}Gi"}},
    }
    if scratch.storage_class:
        spec["storageClassName"] = scratch.storage_class
    return _object(CLAIM, vmi, spec=spec)


def job(vmi: Object, worker: Worker, rate: Bytes | None = None, volumes: Sequence[VolumeFacts] = ()) -> Object:
    """The Job: one Pod, whose scratch survives it: another Job of the same import goes on from there.

    It begins with ``rate``, so that no byte comes too fast before it has heard of a newer one.
    What ``volumes`` has it writes in place, and serves nothing.
    """
    pod: Object = {
        "metadata": {"labels": {IMPORT_LABEL: vmi["metadata"]["uid"], "app.kubernetes.io/name": "thresher-worker"}},
        "spec": {
            "restartPolicy": "OnFailure",  # in the same Pod, with the scratch and its ledger
            "serviceAccountName": name_of(vmi["metadata"]["uid"]),
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": NON_ROOT,
                "runAsGroup": NON_ROOT,
                "fsGroup": NON_ROOT,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [_container(vmi, worker, rate, volumes)],
            "volumes": _volumes(vmi, volumes),
        },
    }
    made = _object(JOB, vmi, spec={"backoffLimit": RESTARTS, "completions": 1, "parallelism": 1, "template": pod})
    made["metadata"]["annotations"] = {SOURCE: source_of(vmi)}
    return made


def _container(vmi: Object, worker: Worker, rate: Bytes | None, volumes: Sequence[VolumeFacts]) -> Object:
    meta = vmi["metadata"]
    arguments = ["worker", "-f", f"{CONFIG}/manifests.yaml", "--scratch", SCRATCH]
    arguments += ["--token-file", f"{CONFIG}/token"]
    arguments += ["--report-configmap", f"{meta['namespace']}/{name_of(meta['uid'])}"]
    if rate is not None:
        arguments += ["--bandwidth", str(rate)]
    for volume in volumes:
        arguments += ["--volume", f"{volume.key}={DEVICES}/{volume.uid}"]
    container: Object = {
        "name": "worker",
        "image": worker.image,
        "args": arguments,  # to the image's own entry point
        "env": [
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "THRESHER_DISK_PORT", "value": str(worker.port)},
            {"name": "THRESHER_SERVICE_ACCOUNT", "value": ACCOUNT},
            {"name": "TMPDIR", "value": TEMPORARY},  # the root is read-only
        ],
        "ports": [{"name": "disks", "containerPort": worker.port}] if worker.port else [],
        "resources": {"requests": {"cpu": worker.cpu, "memory": worker.memory}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG, "readOnly": True},
            {"name": "scratch", "mountPath": SCRATCH},
            {"name": "tmp", "mountPath": TEMPORARY},
        ],
    }
    if volumes:
        devices = [{"name": volume.name, "devicePath": f"{DEVICES}/{volume.uid}"} for volume in volumes]
        container |= {"ports": [], "volumeDevices": devices}
    return container


def _volumes(vmi: Object, volumes: Sequence[VolumeFacts]) -> list[Object]:
    written = [{"name": volume.name, "persistentVolumeClaim": {"claimName": volume.name}} for volume in volumes]
    return [
        *written,
        {"name": "config", "secret": {"secretName": name_of(vmi["metadata"]["uid"])}},
        {"name": "scratch", "persistentVolumeClaim": {"claimName": name_of(vmi["metadata"]["uid"])}},
        {"name": "tmp", "emptyDir": {}},
    ]
