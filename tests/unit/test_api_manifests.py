import base64
from pathlib import Path

import pytest

from thresher.api.convert import import_spec
from thresher.api.manifests import Manifests, load_manifests
from thresher.model.errors import UsageError
from thresher.model.spec import DiskBus, NetworkMapping, NicModel

EXAMPLES = Path(__file__).parents[2] / "examples"
API = "migration.harvesterhci.io/v1beta1"
IMPORT = f"""
apiVersion: {API}
kind: VirtualMachineImport
metadata: {{name: alpine, namespace: apps}}
spec:
  virtualMachineName: alpine-export-test
  sourceCluster: {{name: vcsim, kind: vmwaresource, apiVersion: {API}}}
"""
SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: c}
stringData: {username: user, password: hunter2}
"""


def refusal(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        load_manifests(text)
    assert "hunter2" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["ova", "vmware", "openstack"])
def test_the_examples_load_and_are_complete(name: str) -> None:
    manifests = load_manifests((EXAMPLES / f"{name}.yaml").read_text())
    (vmi,) = manifests.imports
    ref = manifests.source(vmi.source_ref).secret_ref
    assert ref is not None
    assert manifests.secret(ref).require("password") == "password"
    assert manifests.notes == ()


def test_the_add_ons_manifest_means_what_it_means_there() -> None:
    (vmi,) = load_manifests(
        IMPORT
        + "  folder: vm-folder\n  defaultDiskBusType: sata\n  gracefulShutdownTimeoutSeconds: 0\n"
        + "  forcePowerOff: true\n"
        + "  networkMapping: [{sourceNetwork: dvs/a, "
        + "destinationNetwork: default/v1, networkInterfaceModel: e1000}]\n"
    ).imports
    assert vmi.source_ref.kind == "VmwareSource"
    assert vmi.source_ref.namespace == "apps"
    spec = import_spec(vmi)
    assert spec.networks == (NetworkMapping("dvs/a", "default/v1", NicModel.E1000),)
    assert (spec.disk_bus, spec.force_power_off, spec.graceful_shutdown_timeout_s) == (DiskBus.SATA, True, 60)


def test_the_uid_is_derived_only_where_there_is_none() -> None:
    (one,) = load_manifests(IMPORT).imports
    (other,) = load_manifests(IMPORT.replace("apps", "ops")).imports
    (given,) = load_manifests(IMPORT.replace("namespace: apps", "uid: u-1")).imports
    assert import_spec(one).uid == import_spec(one).uid != import_spec(other).uid
    assert (import_spec(given).uid, import_spec(given).namespace) == ("u-1", "default")


@pytest.mark.parametrize(("text", "mib"), [("4Gi", 4096), ("1.5Gi", 1536), ("1G", 954), ("1048577", 2)])
def test_memory_is_a_quantity_rounded_up_to_mib(text: str, mib: int) -> None:
    (vmi,) = load_manifests(f"{IMPORT}  memory: '{text}'\n").imports
    assert import_spec(vmi).memory == mib


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("networkMaping: []", ["spec.networkMaping", "Did you mean networkMapping?"]),
        ("defaultDiskBusType: ide", ["spec.defaultDiskBusType must be", "'sata'"]),
        ("forcePowerOff: 'yes'", ["spec.forcePowerOff", "true or false"]),
        ("memory: 4GB", ["spec.memory", "4Gi"]),
        ("memory: 0Gi", ["spec.memory", "more than 0"]),
        ("cpu: {vcpus: 0}", ["spec.cpu.vcpus must be 1 or more"]),
        ("targetName: My VM", ["spec.targetName is not a valid name"]),
        ("networkMapping: [{sourceNetwork: a}]", ["spec.networkMapping[0].destinationNetwork is missing"]),
        (
            "storageMapping: [{sourceDatastore: a, storageClass: b}, {sourceDatastore: a, storageClass: c}]",
            ["spec.storageMapping maps a more than once"],
        ),
    ],
)
def test_a_wrong_field_is_named_with_its_document(line: str, words: list[str]) -> None:
    message = refusal(f"{SECRET}---{IMPORT}  {line}\n")
    for word in ["VirtualMachineImport apps/alpine (document 2", *words]:
        assert word in message


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[" * 2000, "nested more than"),
        ("a: [", "not valid YAML"),
        ("- a", "apiVersion and kind"),
        ("a: " + "9" * 5000, "put it in quotes"),
        ("a: \0", "character"),
        ("1: b", "not a word"),
        ("a: &a [*a]", "alias"),
        ("a: !!python/object:os.system b", "not valid YAML"),
        (SECRET + "---" + SECRET, "twice"),
        (SECRET.replace("hunter2", "*hunter2"), "undefined alias"),
        (SECRET.replace("hunter2", "hunter2, username: x"), "username twice"),
        (SECRET.replace("stringData", "data"), "base64"),
        (IMPORT.replace("Import\n", "Imports\n"), "Did you mean VirtualMachineImport?"),
        (IMPORT.replace("v1beta1\nkind", "v1\nkind"), "must be migration.harvesterhci.io/v1beta1"),
        ("#" * (1 << 21), "longer than"),
    ],
)
def test_bad_text_is_refused_in_words(text: str, word: str) -> None:
    assert word in refusal(text)


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 20)]
    assert "more than 100000 values" in refusal("\n".join(lines))


def test_other_kinds_are_left_out_with_a_note() -> None:
    manifests = load_manifests("apiVersion: v1\nkind: Namespace\nmetadata: {name: apps}\n---" + IMPORT)
    assert len(manifests.imports) == 1
    assert "Namespace default/apps (document 1" in manifests.notes[0]


def test_a_missing_source_or_secret_lists_what_is_there() -> None:
    manifests = load_manifests(IMPORT + "---" + SECRET)
    with pytest.raises(UsageError, match=r"VmwareSource apps/vcsim .* none"):
        manifests.source(manifests.imports[0].source_ref)
    with pytest.raises(UsageError, match=r"has no key domain_name.*password, username"):
        manifests.secrets[0].require("domain_name")


def test_secret_values_never_show() -> None:
    coded = base64.b64encode(b"hunter3").decode()
    manifests: Manifests = load_manifests(SECRET + f"data: {{other: {coded}}}\n")
    assert manifests.secrets[0].get("other") == "hunter3"
    assert "hunter2" not in repr(manifests)
    assert coded not in repr(manifests)
