"""Binds claims: a volume of an image's bytes, a blank one, or a folder of limited size."""

import os
import subprocess
from pathlib import Path

from rig.harvester.images import IMAGE_ID, file_of
from rig.harvester.kinds import CLAIMS, IMAGES, INSTANCES, PERSISTENT_VOLUMES, PODS, STORAGE_CLASSES
from rig.harvester.kube import Object
from rig.harvester.quantities import parse
from rig.harvester.world import World, deleting, guarded, is_true

_PROTECTION = "kubernetes.io/pvc-protection"
_VOLUME_PROTECTION = "kubernetes.io/pv-protection"


class _Pending(Exception):
    """A claim cannot be bound; the message is the event's."""


class VolumeController:
    """Longhorn's provisioner, the binder and the protection of what is in use."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._mounted: dict[Path, int] = {}
        (world.root / "volumes").mkdir()

    def step(self) -> None:
        """Bind what can be bound, release what is not used, remove what is gone."""
        claims = self._world.mirror(CLAIMS).all()
        for claim in claims:
            if deleting(claim):
                guarded(self._world, self._release, claim)
            elif (claim.get("status") or {}).get("phase") != "Bound":
                guarded(self._world, self._bind, claim)
        present = {claim["metadata"]["uid"] for claim in claims}
        for volume in self._world.mirror(PERSISTENT_VOLUMES).all():
            if volume["spec"].get("claimRef", {}).get("uid") not in present:
                guarded(self._world, self._remove, volume)

    def stop(self) -> None:
        """Unmount what was mounted."""
        for folder in list(self._mounted):
            self._unmount(folder)

    def shrink(self, folder: Path, room: int) -> bool:
        """Leave a mounted folder so many bytes of room; whether it is mounted, and took it."""
        if folder not in self._mounted or not folder.is_mount():
            return False
        there = os.statvfs(folder)
        used = (there.f_blocks - there.f_bfree) * there.f_frsize
        return _resized(folder, used + room)

    def grow(self, folder: Path) -> None:
        """Give a folder that was shrunk its size again, unless it is gone."""
        if folder in self._mounted:
            _resized(folder, self._mounted[folder])

    def _bind(self, claim: Object) -> None:
        try:
            self._provision(claim)
        except _Pending as pending:
            self._world.event(claim, "ProvisioningFailed", str(pending))
            return
        meta, spec = claim["metadata"], claim["spec"]
        name = f"pvc-{meta['uid']}"
        capacity = spec["resources"]["requests"]["storage"]
        self._world.kube.ensure(PERSISTENT_VOLUMES, _volume(claim, name))
        self._world.kube.patch(CLAIMS, claim, {"spec": {"volumeName": name}})
        status = {"phase": "Bound", "accessModes": spec["accessModes"], "capacity": {"storage": capacity}}
        self._world.kube.patch(CLAIMS, claim, {"status": status}, "status")
        volume = self._world.kube.get(PERSISTENT_VOLUMES, "", name)
        self._world.kube.patch(PERSISTENT_VOLUMES, volume, {"status": {"phase": "Bound"}}, "status")

    def _provision(self, claim: Object) -> None:
        path = path_of(self._world, claim)
        if path.exists():
            return
        spec, size = claim["spec"], parse(claim["spec"]["resources"]["requests"]["storage"])
        self._check(claim)
        image_id = (claim["metadata"].get("annotations") or {}).get(IMAGE_ID)
        if image_id is not None:
            self._from_image(claim, image_id, size, path)
        elif spec.get("volumeMode") == "Block":
            with path.open("wb") as file:
                file.truncate(size)
        else:
            self._folder(path, size)

    def _check(self, claim: Object) -> None:
        name = claim["spec"].get("storageClassName") or ""
        faults = self._world.faults
        if faults.refuse_volumes in {"*", name}:
            raise _Pending(f"failed to provision volume with StorageClass {name!r}: insufficient storage")
        owners = {owner["kind"] for owner in claim["metadata"].get("ownerReferences", [])}
        if faults.refuse_scratch and not owners.isdisjoint({"Pod", "VirtualMachineImport"}):
            raise _Pending(f"failed to provision volume with StorageClass {name!r}: no space left for scratch")
        if self._world.kube.find(STORAGE_CLASSES, "", name) is None:
            raise _Pending(f"storageclass.storage.k8s.io {name!r} not found")

    def _from_image(self, claim: Object, image_id: str, size: int, path: Path) -> None:
        namespace, _, name = image_id.partition("/")
        image = self._world.kube.find(IMAGES, namespace, name)
        if image is None or not is_true(image, "Imported"):
            raise _Pending(f"the image {image_id} is not imported")
        status = image["status"]
        if claim["spec"].get("storageClassName") != status["storageClassName"]:
            raise _Pending(f"the image {image_id} needs the storage class {status['storageClassName']}")
        if claim["spec"].get("volumeMode") != "Block":
            raise _Pending(f"the volume of the image {image_id} must be of volumeMode Block")
        if size < status["virtualSize"]:
            raise _Pending(f"the volume's {size} bytes are fewer than the image's virtual size {status['virtualSize']}")
        part = path.with_suffix(".part")
        subprocess.run(["cp", "--reflink=auto", "--sparse=always", file_of(self._world, image), part], check=True)
        os.truncate(part, size)
        part.rename(path)

    def _folder(self, path: Path, size: int) -> None:
        """A folder that holds no more than ``size`` bytes where we may mount; elsewhere the kubelet counts."""
        path.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "volume", str(path)]
        if os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0:
            self._mounted[path] = size

    def _release(self, claim: Object) -> None:
        meta = claim["metadata"]
        finalizers = meta.get("finalizers") or []
        if _PROTECTION not in finalizers or self._used(meta["namespace"], meta["name"]):
            return
        self._world.kube.drop_finalizer(CLAIMS, claim, _PROTECTION)

    def _used(self, namespace: str, name: str) -> bool:
        """Whether a Pod that is scheduled and has not ended, or a running VM, has the claim."""
        pods = [pod for pod in self._world.mirror(PODS).all() if pod["spec"].get("nodeName") and not _ended(pod)]
        return any(
            user["metadata"]["namespace"] == namespace and name in _claims(user)
            for user in [*pods, *self._world.mirror(INSTANCES).all()]
        )

    def _remove(self, volume: Object) -> None:
        path = self._world.root / "volumes" / volume["spec"].get("claimRef", {}).get("uid", "none")
        if path in self._mounted:
            self._unmount(path)
        if path.is_dir():
            subprocess.run(["rm", "-rf", path], check=True)
        path.unlink(missing_ok=True)
        self._world.kube.delete(PERSISTENT_VOLUMES, volume)
        left = self._world.kube.find(PERSISTENT_VOLUMES, "", volume["metadata"]["name"])
        if left is not None and _VOLUME_PROTECTION in left["metadata"].get("finalizers", []):
            self._world.kube.drop_finalizer(PERSISTENT_VOLUMES, left, _VOLUME_PROTECTION)

    def _unmount(self, path: Path) -> None:
        subprocess.run(["umount", "--lazy", path], check=False, capture_output=True)
        self._mounted.pop(path, None)


def _resized(folder: Path, size: int) -> bool:
    """A tmpfs changes its limit while it is in use, and refuses one below what it holds (tmpfs(5))."""
    command = ["mount", "-o", f"remount,size={size}", str(folder)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def path_of(world: World, claim: Object) -> Path:
    """The file of a claim's bytes, or its folder."""
    return world.root / "volumes" / str(claim["metadata"]["uid"])


def _ended(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def _claims(user: Object) -> set[str]:
    names = set()
    for volume in user["spec"].get("volumes") or []:
        if "persistentVolumeClaim" in volume:
            names.add(volume["persistentVolumeClaim"]["claimName"])
        elif "ephemeral" in volume:
            names.add(f"{user['metadata']['name']}-{volume['name']}")
    return names


def _volume(claim: Object, name: str) -> Object:
    meta, spec = claim["metadata"], claim["spec"]
    return {
        "metadata": {"name": name},
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "volumeMode": spec.get("volumeMode", "Filesystem"),
            "storageClassName": spec.get("storageClassName", ""),
            "persistentVolumeReclaimPolicy": "Delete",
            "csi": {"driver": "driver.longhorn.io", "volumeHandle": name},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": meta["namespace"],
                "name": meta["name"],
                "uid": meta["uid"],
            },
        },
    }
