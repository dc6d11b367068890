"""Looking at OpenStack's real services: logging in, finding, and what is said of what goes wrong."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from rig.openstack import Credential, Fault, OpenstackCloud
from rig.openstack.population import NETWORKS
from rig.openstack.things import Port
from rig.openstack_access import access_to, source_of
from thresher.model.errors import (
    SourceDenied,
    SourceError,
    SourceNotFound,
    SourceUnreachable,
    SourceUntrusted,
)
from thresher.model.units import GIB
from thresher.model.vm import FirmwareType, OsFamily, PowerState, Severity, SourceVM
from thresher.ports import SourceFacts
from thresher.sources.openstack import reading
from thresher.sources.openstack.access import OpenstackAccess
from thresher.sources.openstack.connection import OpenstackConnection

MACS = ("fa:16:3e:00:00:0c", "fa:16:3e:00:00:0a", "fa:16:3e:00:00:0b")


@pytest.fixture
def cloud(openstack: OpenstackCloud) -> Iterator[OpenstackCloud]:
    yield openstack
    openstack.wipe()


def check(access: OpenstackAccess, times: int = 1) -> SourceFacts:
    async def look() -> SourceFacts:
        async with source_of(access) as source:
            for _ in range(times - 1):
                await source.check()
            return await source.check()

    return asyncio.run(look())


def find(cloud: OpenstackCloud, name: str, folder: str = "") -> SourceVM:
    async def look() -> SourceVM:
        async with source_of(access_to(cloud)) as source:
            return await source.find(name, folder)

    return asyncio.run(look())


def inventory(cloud: OpenstackCloud, page: int = 500) -> list[SourceVM]:
    async def look() -> list[SourceVM]:
        async with source_of(access_to(cloud), page=page) as source:
            return list(await source.inventory())

    return asyncio.run(look())


def rules(vm: SourceVM) -> set[str]:
    return {loss.rule for loss in vm.losses}


def test_a_check_names_what_it_saw_and_can_be_repeated(cloud: OpenstackCloud) -> None:
    detail = check(access_to(cloud), times=3).detail
    for word in ("region RegionOne", "project shop", "domain customers", "Nova API 2."):
        assert word in detail
    logins = [seen for seen in cloud.gates["keystone"].requests if seen.path.endswith("/auth/tokens")]
    assert len(logins) == 1


@pytest.mark.parametrize("endpoint", ["with", "without"])
def test_the_endpoint_may_leave_out_the_version(cloud: OpenstackCloud, endpoint: str) -> None:
    url = cloud.endpoint if endpoint == "with" else cloud.endpoint.removesuffix("/v3")
    assert "project shop" in check(access_to(cloud, endpoint=url)).detail


def test_an_application_credential_knows_its_project(cloud: OpenstackCloud) -> None:
    credential = cloud.application_credential("looking")
    assert "project shop" in check(access_to(cloud, credential)).detail


@pytest.mark.parametrize(
    "changes", [{"password": "s3cret-wrong"}, {"project_name": "s3cret-none"}, {"domain_name": "Default"}]
)
def test_a_refused_login_says_where_and_never_with_what(
    cloud: OpenstackCloud, changes: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    access = access_to(cloud, None, **changes)
    with pytest.raises(SourceDenied, match="RegionOne") as refused:
        check(access)
    assert cloud.endpoint.split("/")[2] in str(refused.value)
    assert access.password not in f"{refused.value!r} {refused.value.__cause__!r} {caplog.text} {access!r}"


def test_a_wrong_application_credential_is_refused(cloud: OpenstackCloud) -> None:
    right = cloud.application_credential("refused")
    wrong = Credential(
        application_credential_id=right.application_credential_id, application_credential_secret="s3cret-wrong"
    )
    with pytest.raises(SourceDenied) as refused:
        check(access_to(cloud, wrong))
    assert "s3cret" not in str(refused.value)


def test_a_wrong_login_is_tried_once_and_not_by_every_caller(cloud: OpenstackCloud) -> None:
    async def all_at_once() -> list[BaseException | object]:
        async with OpenstackConnection(access_to(cloud, password="wrong")) as connection:
            calls = [connection.call(lambda known: known.current_project_id) for _ in range(8)]
            return list(await asyncio.gather(*calls, return_exceptions=True))

    assert {type(answer) for answer in asyncio.run(all_at_once())} == {SourceDenied}
    assert [seen.status for seen in cloud.gates["keystone"].requests] == [401]


def test_a_user_of_another_domain_than_the_project(cloud: OpenstackCloud) -> None:
    identity = cloud.admin.identity
    user = identity.create_user(name="guest", password="s3cret-guest", domain_id="default")
    role = identity.find_role("member", ignore_missing=False)
    identity.assign_project_role_to_user(cloud.user.current_project_id, user, role)
    guest = replace(cloud.password, username="guest", password="s3cret-guest")
    try:
        assert "project shop" in check(access_to(cloud, guest, user_domain_name="Default")).detail
        with pytest.raises(SourceDenied):
            check(access_to(cloud, guest))
    finally:
        identity.delete_user(user)


def test_the_only_region_need_not_be_given(cloud: OpenstackCloud) -> None:
    assert "region RegionOne" in check(access_to(cloud, region="")).detail


def test_a_wrong_region_lists_those_that_exist(cloud: OpenstackCloud) -> None:
    with pytest.raises(SourceNotFound, match=r"no region 'RegionTwo'.*it has RegionOne"):
        check(access_to(cloud, region="RegionTwo"))


def test_a_wrong_endpoint_is_said(cloud: OpenstackCloud) -> None:
    with pytest.raises(SourceError, match="check the endpoint"):
        check(access_to(cloud, endpoint=cloud.gates["nova"].url))
    with pytest.raises(SourceUnreachable, match="refuses the connection"):
        check(access_to(cloud, endpoint="http://127.0.0.1:1"))


def test_a_certificate_is_verified(cloud: OpenstackCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    secure = access_to(cloud, endpoint=cloud.secure_endpoint)
    with pytest.raises(SourceUntrusted, match="ca_cert of the source's Secret"):
        check(secure)
    assert "project shop" in check(replace(secure, ca_pem=cloud.ca_pem)).detail
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/does/not/exist")
    assert "project shop" in check(replace(secure, ca_pem=cloud.ca_pem)).detail


def test_a_service_that_is_busy_is_worth_another_try(cloud: OpenstackCloud) -> None:
    cloud.gates["cinder"].faults.append(Fault("GET .*/volumes", status=503))
    with pytest.raises(SourceUnreachable, match="503"):
        check(access_to(cloud))
    assert "project shop" in check(access_to(cloud)).detail


def test_a_token_that_was_revoked_is_replaced(cloud: OpenstackCloud) -> None:
    cloud.make.server("web", volumes=[cloud.make.volume()])

    async def look() -> list[str]:
        async with source_of(access_to(cloud)) as source:
            seen = [(await source.find("web")).name]
            cloud.mishaps.revoke_all()
            seen.append((await source.find("web")).name)
            return [*seen, *(vm.name for vm in await source.inventory())]

    assert asyncio.run(look()) == ["web", "web", "web"]


def test_defect_16_a_server_from_an_image_has_its_root_disk_and_a_volume_its_size_in_gib(
    cloud: OpenstackCloud,
) -> None:
    image = cloud.make.image(b"\0" * 512, os_distro="ubuntu", hw_firmware_type="uefi", hw_disk_bus="scsi")
    data = cloud.make.volume(name="data", size=2, bootable=False)
    key = cloud.make.server("from image", image=image, volumes=[data], flavor="quad", description="the shop")
    vm = find(cloud, "from image")
    assert (vm.id, vm.smbios_uuid, vm.notes) == (key, key, "the shop")
    assert [(disk.key, disk.capacity) for disk in vm.disks] == [("root", GIB), (data, 2 * GIB)]
    assert (vm.cpu.vcpus, vm.memory, vm.power) == (4, 1024, PowerState.ON)
    assert (vm.firmware.type, vm.os_family) == (FirmwareType.EFI, OsFamily.LINUX)
    assert vm.disks[1].datastore
    assert not any(loss.severity is Severity.BLOCKER for loss in vm.losses)


def test_a_server_from_volumes_has_them_in_the_order_of_their_devices(cloud: OpenstackCloud) -> None:
    volumes = [cloud.make.volume(name=f"disk {n}", size=1 + n % 2, bootable=n == 0) for n in range(3)]
    image = {"hw_vif_model": "e1000", "hw_firmware_type": "uefi", "os_secure_boot": "required"}
    cloud.user.block_storage.set_volume_image_metadata(volumes[0], **image)
    cloud.make.server("from volumes", volumes=volumes)
    vm = find(cloud, "from volumes")
    assert [disk.key for disk in vm.disks] == volumes
    assert [disk.capacity for disk in vm.disks] == [GIB, 2 * GIB, GIB]
    assert [disk.boot_order for disk in vm.disks] == [1, None, None]
    assert vm.firmware.secure_boot
    assert [nic.model for nic in vm.nics] == ["e1000"]


def test_ephemeral_and_swap_disks_are_told(cloud: OpenstackCloud) -> None:
    cloud.make.server("scratch", image=cloud.make.image(b"\0" * 512), flavor="scratch")
    assert {"EphemeralDisk", "SwapDisk"} <= rules(find(cloud, "scratch"))


def test_the_properties_stay_when_the_image_is_deleted(cloud: OpenstackCloud) -> None:
    image = cloud.make.image(b"\0" * 512, hw_firmware_type="uefi")
    cloud.make.server("orphan", image=image)
    cloud.user.image.delete_image(image)
    vm = find(cloud, "orphan")
    assert vm.firmware.type is FirmwareType.EFI
    assert [disk.key for disk in vm.disks] == ["root"]


def test_a_nova_that_keeps_no_properties_stops_an_import_whose_firmware_nobody_knows(
    cloud: OpenstackCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_NEWEST", "2.97")
    image = cloud.make.image(b"\0" * 512, hw_firmware_type="uefi")
    cloud.make.server("old orphan", image=image)
    assert "ImageUnreadable" not in rules(find(cloud, "old orphan"))
    cloud.user.image.delete_image(image)
    (loss,) = [loss for loss in find(cloud, "old orphan").losses if loss.rule == "ImageUnreadable"]
    assert loss.severity is Severity.BLOCKER


def test_defect_16_nics_are_in_the_order_of_the_server_s_ports(cloud: OpenstackCloud) -> None:
    ports = [Port("green", MACS[0]), Port("blue", MACS[1])]
    cloud.make.server("two networks", volumes=[cloud.make.volume()], ports=ports)
    vm = find(cloud, "two networks")
    assert [(nic.mac, nic.network and nic.network.name) for nic in vm.nics] == [(MACS[0], "green"), (MACS[1], "blue")]
    assert "NicOrder" not in rules(vm)
    assert {"FixedAddress", "SecurityGroups"} <= rules(vm)


def test_defect_16_nics_on_one_network_are_in_the_order_of_the_server_s_ports(cloud: OpenstackCloud) -> None:
    ports = [Port("green", mac) for mac in MACS]
    cloud.make.server("one network", volumes=[cloud.make.volume()], ports=ports)
    vm = find(cloud, "one network")
    assert [nic.mac for nic in vm.nics] == list(MACS)
    assert "NicOrder" not in rules(vm)


def test_several_addresses_are_one_nic(cloud: OpenstackCloud) -> None:
    """The network blue has a subnet of IPv4 and one of IPv6."""
    cloud.make.server("both", volumes=[cloud.make.volume()], ports=[Port("blue", MACS[0])])
    vm = find(cloud, "both")
    assert [nic.mac for nic in vm.nics] == [MACS[0]]
    (told,) = [loss.message for loss in vm.losses if loss.rule == "FixedAddress"]
    assert "10.1.0." in told
    assert "fd00:1:" in told
    (listed,) = [vm for vm in inventory(cloud) if vm.name == "both"]
    assert set(listed.nics[0].subnets) == set(NETWORKS["blue"])


def test_a_server_is_found_by_its_id_in_any_case(cloud: OpenstackCloud) -> None:
    key = cloud.make.server("by id", volumes=[cloud.make.volume()])
    assert find(cloud, key.upper()).name == "by id"


def test_defect_16_a_part_of_a_name_is_no_match_and_no_crash(cloud: OpenstackCloud) -> None:
    cloud.make.server("web-10", volumes=[cloud.make.volume()])
    with pytest.raises(SourceNotFound, match="no server 'web-1'; the nearest names are 'web-10'"):
        find(cloud, "web-1")


@pytest.mark.parametrize("name", ["a.b+c [1] (x)", "Prüfstand №1", "50%_off", "back\\slash"])
def test_names_mean_themselves(cloud: OpenstackCloud, name: str) -> None:
    key = cloud.make.server(name, volumes=[cloud.make.volume()])
    assert find(cloud, name).id == key


def test_duplicates_are_listed(cloud: OpenstackCloud) -> None:
    keys = [cloud.make.server("twin", volumes=[cloud.make.volume()]) for _ in range(2)]
    with pytest.raises(SourceNotFound, match=r"2 servers .* are called 'twin'") as refused:
        find(cloud, "twin")
    for key in keys:
        assert f"{key} (ACTIVE, created 20" in str(refused.value)


def test_nothing_is_found_in_an_empty_project(cloud: OpenstackCloud) -> None:
    with pytest.raises(SourceNotFound, match="the user sees no server there"):
        find(cloud, "web")
    assert inventory(cloud) == []


def test_a_folder_is_ignored_and_said(cloud: OpenstackCloud) -> None:
    cloud.make.server("web", volumes=[cloud.make.volume()])
    assert "FolderIgnored" in rules(find(cloud, "web", "Prod"))
    assert "FolderIgnored" not in rules(find(cloud, "web", "/"))


def test_a_locked_server_is_told(cloud: OpenstackCloud) -> None:
    key = cloud.make.server("locked", volumes=[cloud.make.volume()])
    cloud.user.compute.lock_server(key, locked_reason="payroll")
    (told,) = [loss for loss in find(cloud, key).losses if loss.rule == "ServerLocked"]
    assert told.severity is Severity.BLOCKER
    assert "payroll" in told.message


def test_a_volume_in_error_is_told(cloud: OpenstackCloud) -> None:
    root = cloud.make.volume()
    key = cloud.make.server("broken", volumes=[root])
    cloud.mishaps.volume_status(root, "error")
    assert "VolumeStatus" in rules(find(cloud, key))


def test_a_server_group_is_told(cloud: OpenstackCloud) -> None:
    group = cloud.user.compute.create_server_group(name="apart", policy="soft-anti-affinity")
    flavor = cloud.user.compute.find_flavor("diskless", ignore_missing=False)
    block = {"uuid": cloud.make.volume(), "source_type": "volume", "destination_type": "volume", "boot_index": 0}
    server = cloud.user.compute.create_server(
        name="grouped",
        flavor_id=flavor.id,
        networks="none",
        block_device_mapping=[block],
        scheduler_hints={"group": group.id},
    )
    cloud.make.until("server", server.id, "ACTIVE")
    assert "ServerGroup" in rules(find(cloud, "grouped"))
    cloud.user.compute.delete_server_group(group.id)


def test_an_inventory_is_read_in_pages_and_in_few_requests(cloud: OpenstackCloud) -> None:
    image = cloud.make.image(b"\0" * 512)
    keys = {cloud.make.server(f"vm {n}", image=image, ports=[Port("green")]) for n in range(3)}
    keys.add(cloud.make.server("vm 3", volumes=[cloud.make.volume(), cloud.make.volume(bootable=False)]))
    for gate in cloud.gates.values():
        gate.requests.clear()
    whole = inventory(cloud)
    assert [vm.name for vm in whole] == ["vm 0", "vm 1", "vm 2", "vm 3"]
    assert {vm.id for vm in whole} == keys
    assert all(vm.disks and vm.nics for vm in whole)
    requests = [seen for gate in cloud.gates.values() for seen in gate.requests]
    assert not any(key in seen.path for seen in requests for key in keys)
    assert inventory(cloud, page=1) == whole
