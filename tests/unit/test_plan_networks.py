"""Which NetworkAttachmentDefinition belongs to which network of the source."""

from dataclasses import replace

import pytest
import yaml

from rig.rule_cases import PLAIN
from rig.source_vms import nic
from thresher.model.errors import UsageError
from thresher.model.spec import NetworkMapping
from thresher.model.vm import Network
from thresher.plan.networks import Attachment, mapping_of, plan_networks, read_attachments, read_mapping
from thresher.plan.rules.fleet import UNDECIDED

# As Harvester's pages make them: harvester/harvester docs, "Create a VM Network".
NADS = """\
apiVersion: v1
kind: List
items:
- apiVersion: k8s.cni.cncf.io/v1
  kind: NetworkAttachmentDefinition
  metadata:
    name: vlan120
    namespace: default
    labels: {network.harvesterhci.io/clusternetwork: mgmt, network.harvesterhci.io/type: L2VlanNetwork,
      network.harvesterhci.io/vlan-id: "120"}
  spec:
    config: '{"name":"vlan120","type":"bridge","bridge":"mgmt-br","promiscMode":true,"vlan":120,"ipam":{}}'
- apiVersion: k8s.cni.cncf.io/v1
  kind: NetworkAttachmentDefinition
  metadata: {name: untagged, namespace: default, labels: {network.harvesterhci.io/type: UntaggedNetwork}}
  spec: {config: '{"cniVersion":"0.3.1","name":"untagged","type":"bridge","bridge":"mgmt-br","ipam":{}}'}
- apiVersion: k8s.cni.cncf.io/v1
  kind: NetworkAttachmentDefinition
  metadata: {name: trunk, namespace: default}
  spec: {config: '{"type":"bridge","bridge":"mgmt-br","vlanTrunk":[{"minID":1,"maxID":9}]}'}
- apiVersion: k8s.cni.cncf.io/v1
  kind: NetworkAttachmentDefinition
  metadata: {name: blue, namespace: prod}
  spec: {config: '{"type":"bridge","bridge":"oob-br","vlan":120}'}
- apiVersion: k8s.cni.cncf.io/v1
  kind: NetworkAttachmentDefinition
  metadata: {name: storage, namespace: prod}
  spec: {config: '{"type":"macvlan","master":"eth0"}'}
"""
FOUND = (
    Attachment("default/trunk", None),
    Attachment("default/untagged", 0),
    Attachment("default/vlan120", 120),
    Attachment("prod/blue", 120),
    Attachment("prod/storage", None),
)
TAGGED = Network("pg-120", "DSwitch/pg-120", "dvportgroup-1", 120)
PLAIN_NET = Network("VM Network", id="network-7", vlan=0)
UNKNOWN = Network("pg-x", "DSwitch/pg-x", "dvportgroup-2")
OTHER = Network("pg-7", "DSwitch/pg-7", "dvportgroup-3", 7)
VMS = (
    replace(PLAIN, nics=(nic(0, TAGGED), nic(1, UNKNOWN))),
    replace(PLAIN, name="b", nics=(nic(2, TAGGED), nic(3, TAGGED), nic(4, PLAIN_NET), nic(5, OTHER), nic(6, None))),
)


def test_a_networks_subnets_are_those_of_all_its_cards() -> None:
    subnets = (("10.0.10.0/24", "2001:db8::/64"), ("10.0.9.0/24", "10.0.10.0/24"), ())
    cards = [replace(nic(number, TAGGED), subnets=those) for number, those in enumerate(subnets)]
    vms = (replace(PLAIN, nics=tuple(cards[:2])), replace(PLAIN, name="b", nics=(cards[2], nic(3, OTHER))))
    found = {one.source: one.subnets for one in plan_networks(vms, FOUND, (), "default")}
    assert found == {"DSwitch/pg-120": ("10.0.9.0/24", "10.0.10.0/24", "2001:db8::/64"), "DSwitch/pg-7": ()}


def test_what_kubectl_prints_is_read() -> None:
    assert read_attachments(NADS) == FOUND


def test_single_objects_are_read_too() -> None:
    item = yaml.safe_dump(yaml.safe_load(NADS)["items"][0])
    assert read_attachments(item) == (Attachment("default/vlan120", 120),)


def test_the_label_tells_where_the_configuration_does_not() -> None:
    item = yaml.safe_load(NADS)["items"][0]
    item["spec"]["config"] = "{broken"
    assert read_attachments(yaml.safe_dump(item)) == (Attachment("default/vlan120", 120),)


@pytest.mark.parametrize("text", ["", "kind: List\nitems: []", "- a", "kind: List\nitems: [1, {kind: Pod}]"])
def test_a_file_without_any_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="net-attach-def"):
        read_attachments(text)


def test_networks_are_suggested_by_their_vlan() -> None:
    found = {one.source: one for one in plan_networks(VMS, FOUND, (), "default")}
    assert list(found) == ["DSwitch/pg-120", "VM Network", "DSwitch/pg-7", "DSwitch/pg-x"]
    assert (found["DSwitch/pg-120"].vms, found["DSwitch/pg-120"].nics) == (2, 3)
    assert found["DSwitch/pg-120"].destination == "default/vlan120"
    assert found["DSwitch/pg-120"].candidates == ("default/vlan120", "prod/blue")
    assert found["VM Network"].destination == "default/untagged"
    assert found["DSwitch/pg-7"].destination is None
    assert found["DSwitch/pg-x"].destination is None
    assert not any(one.chosen for one in found.values())


def test_a_network_of_the_namespace_of_the_imports_comes_first() -> None:
    assert plan_networks(VMS, FOUND, (), "prod")[0].candidates == ("prod/blue", "default/vlan120")


def test_what_the_user_chose_counts_and_an_empty_row_does_not() -> None:
    chosen = (
        NetworkMapping("DSwitch/pg-120", "blue"),
        NetworkMapping("pg-7", "management"),
        NetworkMapping("VM Network", ""),
    )
    found = {one.source: (one.destination, one.chosen) for one in plan_networks(VMS, FOUND, chosen, "prod")}
    assert found["DSwitch/pg-120"] == ("prod/blue", True)
    assert found["DSwitch/pg-7"] == ("", True)
    assert found["VM Network"] == ("default/untagged", False)


def test_a_vms_mapping_has_its_own_networks_only() -> None:
    networks = plan_networks(VMS, FOUND, (NetworkMapping("pg-7", "management"),), "default")
    assert mapping_of(networks, VMS[0]) == (
        NetworkMapping("DSwitch/pg-120", "default/vlan120"),
        NetworkMapping("DSwitch/pg-x", UNDECIDED),
    )
    assert "DSwitch/pg-7" not in {row.source for row in mapping_of(networks, VMS[1])}


def test_networks_of_one_name_go_by_their_ids() -> None:
    twins = (Network("pg", id="network-1"), Network("pg", id="network-2"))
    vm = replace(PLAIN, nics=tuple(nic(number, network) for number, network in enumerate(twins)))
    assert [one.source for one in plan_networks((vm,), (), (), "default")] == ["network-1", "network-2"]


def test_a_mapping_is_read_as_it_was_edited() -> None:
    text = (
        "networkMapping:\n- {sourceNetwork: a, destinationNetwork: d/x}\n- {sourceNetwork: b, destinationNetwork: }\n"
    )
    assert read_mapping(text) == (NetworkMapping("a", "d/x"), NetworkMapping("b", ""))
    assert read_mapping("networkMapping: []") == ()


@pytest.mark.parametrize(
    "text", ["a: 1", "networkMapping: {}", "networkMapping: [1]", "networkMapping: [{sourceNetwork: 7}]"]
)
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_mapping(text)
