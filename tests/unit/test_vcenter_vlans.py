"""VLANs as vSphere states them, for standard and for distributed port groups."""

import pytest
from pyVmomi import vim

from rig.vcenter.objects import card, on_network, on_port_group, vm_row
from thresher.sources.vcenter.rows import Row, Surroundings
from thresher.sources.vcenter.translate import source_vm

port = vim.dvs.VmwareDistributedVirtualSwitch


def vlan(spec: object) -> int | None:
    settings = port.VmwarePortConfigPolicy(vlan=spec)
    rows = [Row("dvportgroup-21", "DistributedVirtualPortgroup", {"name": "pg", "config.defaultPortConfig": settings})]
    row = vm_row([card("VirtualVmxnet3", 4000, on_port_group("dvportgroup-21"))])
    network = source_vm(row, Surroundings(rows)).nics[0].network
    assert network
    return network.vlan


def standard(*ids: int) -> int | None:
    rows = [
        Row(
            f"host-{number}",
            "HostSystem",
            {
                "name": f"esx{number}",
                "config.network.portgroup": [
                    vim.host.PortGroup(spec=vim.host.PortGroup.Specification(name="a%2fb", vlanId=number_of_vlan))
                ],
            },
        )
        for number, number_of_vlan in enumerate(ids)
    ]
    row = vm_row([card("VirtualVmxnet3", 4000, on_network("a%2fb"))])
    network = source_vm(row, Surroundings(rows)).nics[0].network
    assert network
    return network.vlan


@pytest.mark.parametrize("number", [0, 1, 4094])
def test_a_distributed_port_group_states_its_vlan(number: int) -> None:
    assert vlan(port.VlanIdSpec(vlanId=number, inherited=False)) == number


def test_a_trunk_and_a_private_vlan_have_no_one_vlan() -> None:
    trunk = port.TrunkVlanSpec(vlanId=[vim.NumericRange(start=1, end=99)], inherited=False)
    assert vlan(trunk) is None
    assert vlan(port.PvlanSpec(pvlanId=7, inherited=False)) is None
    assert vlan(None) is None


def test_a_standard_port_group_has_the_vlan_that_its_hosts_agree_on() -> None:
    assert standard(120, 120) == 120
    assert standard(0) == 0
    assert standard(120, 121) is None
    assert standard(4095) is None  # the guest tags by itself
