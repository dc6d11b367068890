"""What a Pod's container finds: its volumes as folders, and their paths in its words."""

import base64
import contextlib
import json
import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from rig.harvester.kinds import CLAIMS, CONFIG_MAPS, SECRETS, SERVICE_ACCOUNTS, Kind
from rig.harvester.kube import Kube, Object
from rig.harvester.volumes import path_of
from rig.harvester.world import World

ACCOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_TOKEN_S = 3600


class NotYet(Exception):
    """Something that a Pod needs is missing; the message is the event's."""


def volumes(world: World, pod: Object, folder: Path) -> dict[str, Path]:
    """Make every volume of a Pod; by its name.

    Raises:
        NotYet: a claim, Secret or ConfigMap is missing.
    """
    made = {}
    for volume in pod["spec"].get("volumes") or []:
        claim = claim_of(pod, volume)
        made[volume["name"]] = _claimed(world, pod, claim) if claim else folder / volume["name"]
        if not claim:
            made[volume["name"]].mkdir(parents=True, exist_ok=True)
            fill(world.kube, pod, volume, made[volume["name"]])
    return made


def fill(kube: Kube, pod: Object, volume: Object, folder: Path) -> None:
    """Write the files of a volume that is made of objects; again whenever they change."""
    for name, (data, mode) in _files(kube, pod, volume).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != data:
            part = path.with_name(f".{path.name}.part")
            part.write_bytes(data)
            part.chmod(mode)
            part.replace(path)


def claim_of(pod: Object, volume: Object) -> str:
    """The claim behind a volume, "" for none."""
    if "ephemeral" in volume:
        return f"{pod['metadata']['name']}-{volume['name']}"
    return str(volume.get("persistentVolumeClaim", {}).get("claimName", ""))


def _claimed(world: World, pod: Object, name: str) -> Path:
    claim = world.mirror(CLAIMS).get(pod["metadata"]["namespace"], name)
    if claim is None or (claim.get("status") or {}).get("phase") != "Bound":
        raise NotYet(f"persistentvolumeclaim {name!r} is not bound: pod has unbound PersistentVolumeClaims")
    return path_of(world, claim)


_Files = dict[str, tuple[bytes, int]]


def _files(kube: Kube, pod: Object, volume: Object) -> _Files:
    if "secret" in volume:
        return _keys(kube, pod, SECRETS, volume["secret"], volume["secret"]["secretName"])
    if "configMap" in volume:
        return _keys(kube, pod, CONFIG_MAPS, volume["configMap"], volume["configMap"]["name"])
    if "downwardAPI" in volume:
        return _downward(pod, volume["downwardAPI"])
    found: _Files = {}
    for source in volume.get("projected", {}).get("sources") or []:
        found |= _projected(kube, pod, source)
    return found


def _projected(kube: Kube, pod: Object, source: Object) -> _Files:
    if "serviceAccountToken" in source:
        token = source["serviceAccountToken"]
        text = account_token(kube, pod, token.get("audience", ""), token.get("expirationSeconds", _TOKEN_S))
        return {token["path"]: (text.encode(), 0o600)}
    if "secret" in source:
        return _keys(kube, pod, SECRETS, source["secret"], source["secret"]["name"])
    if "downwardAPI" in source:
        return _downward(pod, source["downwardAPI"])
    config_map = source["configMap"]
    if config_map["name"] == "kube-root-ca.crt":  # in every namespace of a whole cluster
        return {"ca.crt": (kube.ca_pem.encode(), 0o644)}
    return _keys(kube, pod, CONFIG_MAPS, config_map, config_map["name"])


def _keys(kube: Kube, pod: Object, kind: Kind, source: Object, name: str) -> _Files:
    found = kube.find(kind, pod["metadata"]["namespace"], name)
    if found is None:
        if source.get("optional"):
            return {}
        raise NotYet(f"MountVolume.SetUp failed: {kind.kind.lower()} {name!r} not found")
    data = values(found)
    mode = source.get("defaultMode", 0o644)
    items = source.get("items") or [{"key": key, "path": key} for key in data]
    return {item["path"]: (data[item["key"]], item.get("mode", mode)) for item in items}


def values(item: Object) -> dict[str, bytes]:
    """The keys of a Secret or ConfigMap."""
    data = item.get("data") or {}
    if item.get("kind") == "Secret":
        return {key: base64.b64decode(value) for key, value in data.items()}
    binary = {key: base64.b64decode(value) for key, value in (item.get("binaryData") or {}).items()}
    return {key: value.encode() for key, value in data.items()} | binary


def _downward(pod: Object, source: Object) -> _Files:
    items = source.get("items") or []
    return {item["path"]: (field(pod, item["fieldRef"]["fieldPath"]).encode(), 0o644) for item in items}


def field(pod: Object, path: str) -> str:
    """A field of the downward API."""
    if found := re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path):
        return str((pod["metadata"].get(found[1]) or {}).get(found[2], ""))
    value: object = pod
    for part in path.split("."):
        value = value.get(part, "") if isinstance(value, Mapping) else ""
    return str(value)


def account_token(kube: Kube, pod: Object, audience: str = "", seconds: int = _TOKEN_S) -> str:
    """A token of the Pod's own ServiceAccount, by the TokenRequest API.

    Raises:
        NotYet: there is no such account.
    """
    meta = pod["metadata"]
    name = pod["spec"].get("serviceAccountName") or "default"
    if kube.find(SERVICE_ACCOUNTS, meta["namespace"], name) is None:
        raise NotYet(f"serviceaccount {name!r} not found")
    spec: Object = {"expirationSeconds": seconds, "audiences": [audience] if audience else []}
    bound = {"kind": "Pod", "apiVersion": "v1", "name": meta["name"], "uid": meta["uid"]}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {**spec, "boundObjectRef": bound}}
    made = kube.request("POST", SERVICE_ACCOUNTS.path(meta["namespace"], name, "token"), body)
    return str(made["status"]["token"])


def account(kube: Kube, pod: Object, folder: Path) -> Path | None:
    """The folder that every container has at ``ACCOUNT_PATH`` unless its Pod or account refuses it, else None.

    Beside the three files there is a kubeconfig: a process has no /var/run of its own, so its client is sent
    there by KUBECONFIG, with the same token.
    """
    meta, spec = pod["metadata"], pod["spec"]
    named = kube.find(SERVICE_ACCOUNTS, meta["namespace"], spec.get("serviceAccountName") or "default")
    wanted = spec.get("automountServiceAccountToken", (named or {}).get("automountServiceAccountToken", True))
    if not wanted or (named is None and not spec.get("serviceAccountName")):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    token = account_token(kube, pod)
    (folder / "token").write_text(token)
    (folder / "namespace").write_text(meta["namespace"])
    (folder / "ca.crt").write_text(kube.ca_pem)
    (folder / "kubeconfig").write_text(json.dumps(_kubeconfig(kube, token, meta["namespace"])))
    for path in folder.iterdir():
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return folder


def _kubeconfig(kube: Kube, token: str, namespace: str) -> Object:
    authority = base64.b64encode(kube.ca_pem.encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "pod",
        "clusters": [{"name": "pod", "cluster": {"server": kube.url, "certificate-authority-data": authority}}],
        "users": [{"name": "pod", "user": {"token": token}}],
        "contexts": [{"name": "pod", "context": {"cluster": "pod", "user": "pod", "namespace": namespace}}],
    }


def replaced(text: str, mounts: Mapping[str, Path]) -> str:
    """A word with each mount path in it replaced by the folder that stands for it."""
    if not mounts:
        return text
    longest = sorted(mounts, key=len, reverse=True)
    pattern = r"(?<![\w./-])(" + "|".join(map(re.escape, longest)) + r")(?![\w.-])"
    return re.sub(pattern, lambda found: str(mounts[found[1]]), text)


def environment(kube: Kube, pod: Object, container: Object) -> dict[str, str]:
    """The variables of a container.

    Raises:
        NotYet: a Secret or ConfigMap is missing.
    """
    found: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        reference = source.get("secretRef") or source["configMapRef"]
        item = _needed(kube, pod, reference["name"], secret="secretRef" in source)
        found |= {source.get("prefix", "") + key: value.decode() for key, value in values(item).items()}
    for variable in container.get("env") or []:
        found[variable["name"]] = _value(kube, pod, variable, found)
    return found


def _value(kube: Kube, pod: Object, variable: Object, so_far: Mapping[str, str]) -> str:
    source = variable.get("valueFrom")
    if source is None:
        return expanded(variable.get("value", ""), so_far)
    if "fieldRef" in source:
        return field(pod, source["fieldRef"]["fieldPath"])
    reference = source.get("secretKeyRef") or source.get("configMapKeyRef")
    if reference is None:
        raise NotYet(f"the rig knows no source {sorted(source)} for the variable {variable['name']}")
    item = _needed(kube, pod, reference["name"], secret="secretKeyRef" in source)
    return values(item)[reference["key"]].decode()


def _needed(kube: Kube, pod: Object, name: str, *, secret: bool) -> Object:
    kind = SECRETS if secret else CONFIG_MAPS
    item = kube.find(kind, pod["metadata"]["namespace"], name)
    if item is None:
        raise NotYet(f"{kind.kind.lower()} {name!r} not found")
    return item


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """``$(NAME)`` replaced, as in commands, arguments and values."""
    return re.sub(r"\$\(([\w.-]+)\)", lambda found: variables.get(found[1], found[0]), text)


def used(folders: Sequence[Path]) -> int:
    """The bytes that the files in these folders take."""
    total = 0
    for folder in folders:
        for root, _, names in os.walk(folder):
            for name in names:
                with contextlib.suppress(OSError):
                    total += (Path(root) / name).stat().st_blocks * 512
    return total
