"""The CRDs in a real API server: what kubectl and the operator's client see of them."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rig.kube import MERGE_PATCH, Answer, KubeCluster
from thresher.api.common import ApiObject, ClusterStatus, Condition, ConditionStatus, SourceStatus
from thresher.api.openstack import OpenstackSource
from thresher.api.ova import OvaSource
from thresher.api.status import DiskImportStatus, ImportStatus, VirtualMachineImportStatus
from thresher.api.virtualmachineimport import VirtualMachineImport
from thresher.api.vmware import VmwareSource
from thresher.model.spec import DiskBus

ROOT = Path(__file__).parents[2]
CRDS = ROOT / "deploy" / "crds"
DOCUMENTED = ROOT / "tests" / "data" / "addon" / "documented.yaml"
GROUP = "migration.harvesterhci.io"
MODELS: dict[str, type[ApiObject]] = {
    "VmwareSource": VmwareSource,
    "OpenstackSource": OpenstackSource,
    "OvaSource": OvaSource,
    "VirtualMachineImport": VirtualMachineImport,
}
SOURCE = {"apiVersion": f"{GROUP}/v1beta1", "kind": "OvaSource", "name": "x"}
CREDENTIALS = {"name": "secret"}


@pytest.fixture(scope="module")
def api(kube: KubeCluster) -> Iterator[KubeCluster]:
    done = kube.kubectl("apply", "--server-side", "-f", str(CRDS))
    assert done.returncode == 0, done.stderr
    names = [f"crd/{kind.lower()}s.{GROUP}" for kind in MODELS]
    done = kube.kubectl("wait", "--for=condition=Established", "--timeout=60s", *names)
    assert done.returncode == 0, done.stderr
    yield kube
    kube.kubectl("delete", "--ignore-not-found", "-f", str(CRDS))


def path_of(kind: str) -> str:
    return f"/apis/{GROUP}/v1beta1/namespaces/default/{kind.lower()}s"


def manifest(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/v1beta1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def an_import(**spec: Any) -> dict[str, Any]:
    return manifest("VirtualMachineImport", "x", {"virtualMachineName": "vm", "sourceCluster": SOURCE} | spec)


def create(api: KubeCluster, body: dict[str, Any], **parameters: str) -> Answer:
    return api.request("POST", path_of(body["kind"]), body, fieldValidation="Strict", **parameters)


def write_status(api: KubeCluster, kind: str, name: str, status: object) -> Answer:
    body = {"status": status}
    return api.request("PATCH", f"{path_of(kind)}/{name}/status", body, content_type=MERGE_PATCH)


def told(api: KubeCluster, *args: str) -> str:
    done = api.kubectl(*args)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("file", [*sorted((ROOT / "examples").glob("*.yaml")), DOCUMENTED], ids=lambda file: file.name)
def test_manifests_apply_unchanged_and_keep_every_field(api: KubeCluster, file: Path) -> None:
    done = api.kubectl("apply", "--server-side", "--validate=strict", "-f", str(file))
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    for written in yaml.safe_load_all(file.read_text()):
        if written["kind"] in MODELS:
            kept = api.request("GET", f"{path_of(written['kind'])}/{written['metadata']['name']}").body["spec"]
            assert written["spec"].items() <= kept.items()


HTTP = "must be an address such as https://host/path"
SUPPORTED = "Unsupported value"


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        ({"virtualMachineName": ""}, "spec.virtualMachineName", "should be at least 1 chars long"),
        ({"networkMapping": [{"sourceNetwork": "a"}]}, "spec.networkMapping[0].destinationNetwork", "Required value"),
        (
            {"networkMapping": [{"sourceNetwork": "a", "destinationNetwork": "Not/A/Name"}]},
            "spec.networkMapping[0].destinationNetwork",
            "should match",
        ),
        (
            {"networkMapping": [{"sourceNetwork": "a", "destinationNetwork": name} for name in "xy"]},
            "spec.networkMapping[1]",
            'Duplicate value: {"sourceNetwork":"a"}',
        ),
        (
            {"networkMapping": [{"sourceNetwork": "a", "destinationNetwork": "b", "networkInterfaceModel": "vmxnet3"}]},
            "spec.networkMapping[0].networkInterfaceModel",
            SUPPORTED,
        ),
        ({"defaultNetworkInterfaceModel": "vmxnet3"}, "spec.defaultNetworkInterfaceModel", SUPPORTED),
        ({"defaultDiskBusType": "ide"}, "spec.defaultDiskBusType", SUPPORTED),
        ({"forcePowerOff": "yes"}, "spec.forcePowerOff", "must be of type boolean"),
        ({"gracefulShutdownTimeoutSeconds": "60"}, "spec.gracefulShutdownTimeoutSeconds", "must be of type integer"),
        ({"skipPreflightChecks": 1}, "spec.skipPreflightChecks", "must be of type boolean"),
        ({"targetName": "Has Spaces"}, "spec.targetName", "should match"),
        ({"targetName": "x" * 64}, "spec.targetName", "should match"),
        ({"cpu": {"vcpus": 0}}, "spec.cpu.vcpus", "should be greater than or equal to 1"),
        ({"cpu": {"vcpus": 1025}}, "spec.cpu.vcpus", "should be less than or equal to 1024"),
        ({"cpu": {}}, "spec.cpu.vcpus", "Required value"),
        ({"memory": "4 GB"}, "spec.memory", "must be a quantity of more than 0, such as 4Gi or 512Mi"),
        ({"memory": "0Gi"}, "spec.memory", "must be a quantity of more than 0, such as 4Gi or 512Mi"),
        (
            {"storageMapping": [{"sourceDatastore": "a", "storageClass": name} for name in "xy"]},
            "spec.storageMapping[1]",
            'Duplicate value: {"sourceDatastore":"a"}',
        ),
        (
            {"storageMapping": [{"sourceDatastore": "a", "storageClass": "A_B"}]},
            "spec.storageMapping[0].storageClass",
            "should match",
        ),
        ({"runStrategy": "Sometimes"}, "spec.runStrategy", SUPPORTED),
        ({"verify": "md5"}, "spec.verify", SUPPORTED),
        ({"verify": "boot", "runStrategy": "Halted"}, "spec.verify", "boot needs a VM that is started"),
        (
            {"sourceCluster": SOURCE | {"kind": "Vmware"}},
            "spec.sourceCluster.kind",
            "must be VmwareSource, OpenstackSource or OvaSource",
        ),
        ({"sourceCluster": SOURCE | {"apiVersion": "v1"}}, "spec.sourceCluster.apiVersion", SUPPORTED),
        ({"sourceCluster": SOURCE | {"name": "x" * 254}}, "spec.sourceCluster.name", "may not be more than 253 bytes"),
        ({"sourceCluster": SOURCE | {"name": ""}}, "spec.sourceCluster.name", "should be at least 1 chars long"),
        ({"sourceCluster": SOURCE | {"namespace": "A"}}, "spec.sourceCluster.namespace", "should match"),
    ],
)
def test_an_invalid_import_is_refused_by_field(api: KubeCluster, spec: dict[str, Any], field: str, words: str) -> None:
    answer = create(api, an_import(**spec))
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert any(
        field == cause.get("field") and words in cause["message"] for cause in answer.body["details"]["causes"]
    ), answer.message
    assert field in answer.message


@pytest.mark.parametrize(
    "url", ["ftp://host/x.ova", "host/x.ova", "http://", "http://a b/", "http://host/a b", "", "http://host:0/"]
)
@pytest.mark.parametrize(
    ("kind", "field", "rest"),
    [
        ("VmwareSource", "endpoint", {"dc": "dc", "credentials": CREDENTIALS}),
        ("OpenstackSource", "endpoint", {"region": "r", "credentials": CREDENTIALS}),
        ("OvaSource", "url", {}),
    ],
)
def test_an_address_that_is_none_is_refused(
    api: KubeCluster, kind: str, field: str, rest: dict[str, Any], url: str
) -> None:
    answer = create(api, manifest(kind, "x", {field: url, **rest}))
    assert answer.status == 422
    assert f"spec.{field}: Invalid value" in answer.message
    assert HTTP in answer.message


@pytest.mark.parametrize("url", ["https://host/x", "HTTP://host", "http://[::1]:8080/x?y=z#w", "http://u:p@host/%20"])
def test_an_address_is_taken(api: KubeCluster, url: str) -> None:
    assert create(api, manifest("OvaSource", "x", {"url": url}), dryRun="All").status == 201
    OvaSource.model_validate(manifest("OvaSource", "x", {"url": url}))


@pytest.mark.parametrize(
    ("kind", "spec", "words"),
    [
        ("VmwareSource", {"endpoint": "https://h/sdk", "credentials": CREDENTIALS}, "spec.dc: Required value"),
        ("VmwareSource", {"endpoint": "https://h/sdk", "dc": "d"}, "spec.credentials: Required value"),
        ("OpenstackSource", {"endpoint": "https://h", "credentials": CREDENTIALS}, "spec.region: Required value"),
        ("OvaSource", {"url": "http://h", "credentials": {"name": ""}}, "spec.credentials.name"),
        ("OvaSource", {"url": "http://h", "httpTimeoutSeconds": -1}, "greater than or equal to 0"),
    ],
)
def test_an_invalid_source_is_refused(api: KubeCluster, kind: str, spec: dict[str, Any], words: str) -> None:
    answer = create(api, manifest(kind, "x", spec))
    assert answer.status == 422
    assert words in answer.message


def test_a_misspelt_field_is_named(api: KubeCluster) -> None:
    answer = create(api, an_import(networkMappings=[]))
    assert answer.status == 400
    assert 'unknown field "spec.networkMappings"' in answer.message


@pytest.mark.parametrize("kind", ["vmwaresource", "OVASOURCE", "OpenStackSource"])
def test_the_kind_of_a_source_is_read_in_any_case_as_the_add_on_does(api: KubeCluster, kind: str) -> None:
    assert create(api, an_import(sourceCluster=SOURCE | {"kind": kind}), dryRun="All").status == 201


def test_empty_text_is_absent_as_go_writes_it(api: KubeCluster) -> None:
    assert create(api, an_import(targetName="", memory="", storageClass="", folder=""), dryRun="All").status == 201


def test_defaults_appear(api: KubeCluster) -> None:
    spec = create(api, an_import(), dryRun="All").body["spec"]
    assert (spec["gracefulShutdownTimeoutSeconds"], spec["verify"]) == (60, "default")
    ova = create(api, manifest("OvaSource", "x", {"url": "http://h"}), dryRun="All").body["spec"]
    assert ova["httpTimeoutSeconds"] == 600
    cloud = {"endpoint": "https://h", "region": "r", "credentials": CREDENTIALS}
    openstack = create(api, manifest("OpenstackSource", "x", cloud), dryRun="All").body["spec"]
    assert (openstack["uploadImageRetryCount"], openstack["uploadImageRetryDelay"]) == (30, 10)


def test_an_unknown_status_word_is_refused(api: KubeCluster) -> None:
    assert create(api, manifest("OvaSource", "words", {"url": "http://h"})).status == 201
    answer = write_status(api, "OvaSource", "words", {"status": "fine"})
    assert answer.status == 422
    assert "status.status" in answer.message


def full(name: str) -> VirtualMachineImport:
    """An import with every field set."""
    seen = Condition(
        type="VMExported",
        status=ConditionStatus.TRUE,
        reason="Exported",
        message="All disks are here.",
        last_update_time="2026-01-02T03:04:05Z",
        last_transition_time="2026-01-02T03:04:05Z",
        observed_generation=1,
    )
    disk = DiskImportStatus(
        disk_name="vm-0.img",
        disk_size=1 << 43,
        disk_local_path="/scratch",
        disk_route="http://10.0.0.1/x/vm-0.img",
        virtual_machine_image="image-1",
        disk_conditions=[seen],
        bus_type=DiskBus.SATA,
        progress=42,
        bytes_transferred=1 << 42,
        bytes_per_second=123_456_789,
    )
    status = VirtualMachineImportStatus(
        import_status=ImportStatus.DISKS_EXPORTED,
        disk_import_status=[disk],
        import_conditions=[seen],
        new_virtual_machine="web-1-imported",
        imported_virtual_machine_name="web-1-imported",
        progress=42,
        conditions=[seen],
        observed_generation=1,
        recorded='{"accepted": true}',
    )
    every = next(
        item for item in yaml.safe_load_all((ROOT / "examples" / "vmware.yaml").read_text()) if item["kind"] in MODELS
        and item["kind"] == "VirtualMachineImport"
    )  # fmt: skip
    more = {"defaultNetworkInterfaceModel": "e1000e", "defaultDiskBusType": "usb", "forcePowerOff": True}
    spec = every["spec"] | more | {"skipPreflightChecks": True}
    return VirtualMachineImport.model_validate(manifest("VirtualMachineImport", name, spec)).model_copy(
        update={"status": status}
    )


def plain(model: ApiObject) -> dict[str, Any]:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def test_an_import_survives_the_round_trip_whole(api: KubeCluster) -> None:
    ours = full("round-trip")
    unset = {name for part in (ours.spec, ours.status) for name, value in part if value is None}
    assert unset == set(), "the point is that every field is set"
    body = plain(ours)
    assert create(api, {**body, "status": {}}).status == 201
    back = write_status(api, "VirtualMachineImport", "round-trip", body["status"])
    assert back.status == 200, back.message
    theirs = VirtualMachineImport.model_validate(back.body)
    assert (theirs.spec, theirs.status) == (ours.spec, ours.status)
    assert back.body["spec"] == body["spec"]
    assert back.body["status"] == body["status"]


def test_a_source_s_status_survives_the_round_trip(api: KubeCluster) -> None:
    assert create(api, manifest("OvaSource", "seen", {"url": "http://h"})).status == 201
    condition = Condition(type="Ready", status=ConditionStatus.TRUE, reason="Reached", observed_generation=1)
    ours = SourceStatus(status=ClusterStatus.READY, conditions=[condition], observed_generation=1)
    status = ours.model_dump(mode="json", by_alias=True, exclude_none=True)
    back = write_status(api, "OvaSource", "seen", status)
    assert OvaSource.model_validate(back.body).status == ours


def test_kubectl_get_prints_the_columns(api: KubeCluster) -> None:
    create(api, plain(full("columns")))
    write_status(api, "VirtualMachineImport", "columns", plain(full("columns"))["status"])
    header, row = told(api, "get", "virtualmachineimport.migration", "columns").splitlines()
    assert header.split() == ["NAME", "STATUS", "PROGRESS", "VM", "AGE"]
    assert row.split()[:4] == ["columns", "disksExported", "42", "web-1-imported"]
    create(api, manifest("OvaSource", "columns", {"url": "http://h"}))
    write_status(api, "OvaSource", "columns", {"status": "clusterReady"})
    header, row = told(api, "get", "ovasource.migration", "columns").splitlines()
    assert header.split() == ["NAME", "STATUS", "AGE"]
    assert row.split()[:2] == ["columns", "clusterReady"]


@pytest.mark.parametrize("name", ["vmwsrc", "ossrc", "ovasrc", "vmimport", "vmwaresource.migration", "migration"])
def test_short_names_and_the_category_work(api: KubeCluster, name: str) -> None:
    told(api, "get", name)


def test_kubectl_explain_documents_the_fields(api: KubeCluster) -> None:
    schemas = f"/openapi/v3/apis/{GROUP}/v1beta1"
    while "VirtualMachineImport" not in json.dumps(api.request("GET", schemas).body):  # it is published a little later
        time.sleep(0.1)
    # kubectl explain takes a kind with its whole group or without it; a dot after less begins the path of a field
    words = " ".join(told(api, "explain", "virtualmachineimport.spec").split())
    assert "What to import, from where, and how." in words
    assert "sourceCluster <Object> -required- The source to import from." in words
    assert "memory <string> Thresher's own: memory of the new VM, such as 4Gi" in words
    disks = " ".join(
        told(api, "explain", "virtualmachineimports.migration.harvesterhci.io.status.diskImportStatus").split()
    )
    assert "bytesTransferred <integer> Thresher's own: bytes of the disk that are durably written." in disks
