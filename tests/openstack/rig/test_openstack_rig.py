"""What sources and their tests rely on: the cloud keeps bytes as a real one does, and ends with its block."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from keystoneauth1.exceptions import SSLError

from rig.openstack import Credential, OpenstackCloud, Port
from rig.openstack.population import connect

GIB = 1 << 30
CONTENT = hashlib.sha256(b"disk").digest() * 40_000


def _connect(cloud: OpenstackCloud, credential: Credential, *, verify: bool | str = True, endpoint: str = "") -> Any:
    if credential.application_credential_id:
        how = {"auth_type": "v3applicationcredential"} | {
            name: getattr(credential, name) for name in ("application_credential_id", "application_credential_secret")
        }
    else:
        how = {name: getattr(credential, name) for name in ("username", "password", "project_name")}
        how |= {"user_domain_name": credential.domain_name, "project_domain_name": credential.domain_name}
    return connect(endpoint or cloud.endpoint, verify=verify, **how)


def _bytes(cloud: OpenstackCloud, image: str) -> bytes:
    answer = cloud.user.image.get(f"/images/{image}/file")
    assert answer.status_code == 200
    return bytes(answer.content)


def test_a_password_and_an_application_credential_log_in(cloud: OpenstackCloud) -> None:
    with _connect(cloud, cloud.password) as one, _connect(cloud, cloud.application_credential("a")) as other:
        assert one.current_project_id == other.current_project_id == cloud.user.current_project_id
        assert [flavor.name for flavor in other.compute.flavors() if flavor.name == "tiny"] == ["tiny"]


def test_keystone_over_tls_is_believed_with_its_authority_alone(cloud: OpenstackCloud, tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text(cloud.ca_pem)
    with _connect(cloud, cloud.password, endpoint=cloud.secure_endpoint, verify=str(authority)) as trusting:
        assert trusting.authorize()
    with _connect(cloud, cloud.password, endpoint=cloud.secure_endpoint) as stranger, pytest.raises(SSLError):
        stranger.session.get_token()


def test_a_volume_goes_through_snapshot_volume_and_image_unchanged(cloud: OpenstackCloud) -> None:
    storage = cloud.user.block_storage
    volume = cloud.make.volume(CONTENT, "disk")
    cloud.make.server(volumes=[volume])
    snapshot = storage.create_snapshot(volume_id=volume, name="thresher-x", force=True)
    cloud.make.until("snapshot", snapshot.id, "available")
    copy = storage.create_volume(size=1, snapshot_id=snapshot.id, name="thresher-x")
    cloud.make.until("volume", copy.id, "available")
    answer = storage.upload_volume_to_image(copy, "thresher-x", disk_format="raw", container_format="bare")
    cloud.make.until("image", answer["image_id"], "active")
    image = cloud.user.image.get_image(answer["image_id"])
    seen = _bytes(cloud, image.id)
    assert (len(seen), image.size) == (GIB, GIB)
    assert seen.startswith(CONTENT)
    assert not any(seen[len(CONTENT) : len(CONTENT) + (1 << 20)])
    assert image.hash_value == hashlib.sha512(seen).hexdigest()
    cloud.make.until("volume", copy.id, "available")
    assert cloud.leftovers() == [
        "image thresher-x active",
        "snapshot thresher-x available",
        "volume thresher-x available",
    ]


def test_an_image_becomes_a_volume_with_its_bytes_and_metadata(cloud: OpenstackCloud) -> None:
    image = cloud.make.image(CONTENT, hw_firmware_type="uefi")
    volume = cloud.make.volume_from_image(image)
    with cloud.make.volume_file(volume).open("rb") as file:
        assert file.read(len(CONTENT)) == CONTENT
    seen = cloud.user.block_storage.get_volume(volume)
    assert seen.volume_image_metadata["hw_firmware_type"] == "uefi"
    assert seen.is_bootable


def test_a_server_of_an_image_gives_its_root_disk_with_create_image(cloud: OpenstackCloud) -> None:
    image = cloud.make.image(CONTENT, hw_disk_bus="scsi")
    server = cloud.make.server("shop", image=image, status="SHUTOFF")
    action = {"createImage": {"name": "thresher-root"}}
    asked = cloud.user.compute.post(f"/servers/{server}/action", json=action, microversion="2.45")
    made = asked.json()["image_id"]
    cloud.make.until("image", made, "active")
    seen = cloud.user.image.get_image(made)
    assert (seen.size, seen.disk_format, seen.hw_disk_bus) == (GIB, "raw", "scsi")
    assert _bytes(cloud, made)[: len(CONTENT)] == CONTENT


def test_a_server_of_volumes_has_them_and_its_ports_in_order(cloud: OpenstackCloud) -> None:
    first, second = cloud.make.volume(b"1", "first"), cloud.make.volume(b"2", "second", size=2)
    mac = "fa:16:3e:00:00:01"
    server = cloud.make.server(volumes=[first, second], ports=[Port("green", mac=mac), Port("blue")])
    attached = cloud.user.compute.volume_attachments(server)
    assert sorted(one.volume_id for one in attached) == sorted([first, second])
    seen = cloud.user.compute.get_server(server)
    assert (seen.status, seen.power_state) == ("ACTIVE", 1)
    assert [address["OS-EXT-IPS-MAC:mac_addr"] for address in seen.addresses["green"]] == [mac]
    assert {address["version"] for address in seen.addresses["blue"]} == {4, 6}


def test_a_range_of_an_image_is_served(cloud: OpenstackCloud) -> None:
    image = cloud.make.image(CONTENT)
    answer = cloud.user.image.get(f"/images/{image}/file", headers={"Range": "bytes=1000-1999"})
    assert (answer.status_code, answer.content) == (206, CONTENT[1000:2000])
