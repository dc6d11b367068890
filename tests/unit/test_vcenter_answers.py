"""Large answers are read as pyvmomi reads them, and what pyvmomi trips over is read as the API declares it."""

import io
from datetime import UTC, datetime
from typing import Any
from xml.parsers.expat import ExpatError

import pytest
from pyVmomi import vim, vmodl
from pyVmomi.SoapAdapter import Serialize, SoapResponseDeserializer, SoapStubAdapter
from pyVmomi.VmomiSupport import versionMap

from rig.vcenter.objects import card, controller, device, disk, flat, on_port_group, vm_row
from thresher.sources.vcenter.answers import read_answer

STUB = SoapStubAdapter(host="vc", version=versionMap["vim25/8.0.0.1"])
query = vmodl.query.PropertyCollector
ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    '<soapenv:Body><RetrievePropertiesExResponse xmlns="urn:vim25">{}</RetrievePropertiesExResponse>'
    "</soapenv:Body></soapenv:Envelope>"
)
SNAPSHOT = vim.vm.SnapshotTree(
    snapshot=vim.vm.Snapshot("snapshot-1"),
    vm=vim.VirtualMachine("vm-42"),
    name="before",
    description="",
    id=1,
    createTime=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    state="poweredOff",
    quiesced=False,
)
VALUES = vm_row(
    [
        controller("ParaVirtualSCSIController", 1000, sharedBus="noSharing"),
        disk(2000, 1000, 0, flat(parent=flat(fileName="[gold] base/base.vmdk"), changeId="52 de/7")),
        card("VirtualVmxnet3", 4000, on_port_group("dvportgroup-21")),
        device.VirtualTPM(key=11000),
    ],
    snapshot=vim.vm.SnapshotInfo(currentSnapshot=SNAPSHOT.snapshot, rootSnapshotList=[SNAPSHOT]),
    config__annotation="näö 한글 <&> \n two lines",
    config__template=True,
    config__bootOptions=vim.vm.BootOptions(
        efiSecureBootEnabled=True, bootOrder=[vim.vm.BootOptions.BootableDiskDevice(deviceKey=2000)]
    ),
).values


def message(body: str) -> bytes:
    return ENVELOPE.format(body).encode()


def result_of(*found: Any, token: str | None = None) -> bytes:
    text = Serialize(query.RetrieveResult(token=token, objects=list(found)), version=STUB.version).decode()
    inside = text[text.index(">", text.index("RetrieveResult")) + 1 : text.rindex("</")]
    return message(f"<returnval>{inside}</returnval>")


def content(values: Any, missing: Any = ()) -> Any:
    properties = [vmodl.DynamicProperty(name=name, val=array(value)) for name, value in values.items()]
    return query.ObjectContent(obj=vim.VirtualMachine("vm-42", STUB), propSet=properties, missingSet=list(missing))


def array(value: Any) -> Any:
    return vim.vm.device.VirtualDevice.Array(value) if isinstance(value, list) else value


def read(text: bytes, result: Any = query.RetrieveResult) -> Any:
    return read_answer(io.BytesIO(text), STUB, result)


def test_it_reads_what_pyvmomi_reads() -> None:
    text = result_of(content(VALUES), content({"name": "b"}), token="next")
    theirs = SoapResponseDeserializer(STUB).Deserialize(text, query.RetrieveResult)
    ours = read(text)
    assert str(ours) == str(theirs)
    assert (ours.token, [found.obj._moId for found in ours.objects]) == ("next", ["vm-42", "vm-42"])
    values = {item.name: item.val for item in ours.objects[0].propSet}
    assert values["config.annotation"] == "näö 한글 <&> \n two lines"
    assert [type(one) for one in values["config.hardware.device"]] == [
        type(one) for one in array(VALUES["config.hardware.device"])
    ]
    assert values["config.hardware.device"][1].backing.parent.fileName == "[gold] base/base.vmdk"
    assert values["config.template"] is True
    assert values["config.hardware.memoryMB"] == 4096


def test_a_property_that_was_refused_holds_its_fault() -> None:
    body = (
        '<returnval><objects><obj type="VirtualMachine">vm-9</obj><missingSet><path>config</path><fault>'
        '<fault xsi:type="NoPermission"><object type="VirtualMachine">vm-9</object>'
        "<privilegeId>System.Read</privilegeId></fault><localizedMessage>Permission was denied.</localizedMessage>"
        "</fault></missingSet></objects></returnval>"
    )
    (missing,) = read(message(body)).objects[0].missingSet
    assert isinstance(missing.fault, vim.fault.NoPermission)
    assert (missing.fault.privilegeId, missing.fault.msg) == ("System.Read", "Permission was denied.")


def test_a_device_of_a_later_release_is_read_as_a_device() -> None:
    body = (
        '<returnval><objects><obj type="VirtualMachine">vm-9</obj><propSet><name>config.hardware.device</name>'
        '<val xsi:type="ArrayOfVirtualDevice"><VirtualDevice xsi:type="VirtualWarpDrive"><key>77</key>'
        "<factor><inner>9</inner></factor><controllerKey>100</controllerKey></VirtualDevice>"
        '<VirtualDevice xsi:type="VirtualTPM"><key>78</key></VirtualDevice></val></propSet></objects></returnval>'
    )
    first, second = read(message(body)).objects[0].propSet[0].val
    assert (type(first).__name__, first.key, first.controllerKey) == ("vim.vm.device.VirtualDevice", 77, 100)
    assert (type(second).__name__, second.key) == ("vim.vm.device.VirtualTPM", 78)


def test_no_result_is_none() -> None:
    assert read(message("")) is None


@pytest.mark.parametrize(
    "text",
    [b"", b"<html><body>Bad Gateway", b'<!DOCTYPE x [<!ENTITY e "e">]><x>&e;</x>', message("")[:-20]],
)
def test_what_is_no_soap_message_is_an_error(text: bytes) -> None:
    with pytest.raises(ExpatError):
        read(text)
