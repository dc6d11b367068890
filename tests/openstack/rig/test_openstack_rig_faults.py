"""Each fault that the rig can play looks to a client as the real one does."""

import pytest
import requests
from openstack.exceptions import HttpException

from rig.openstack import Fault, OpenstackCloud

CONTENT = bytes(range(256)) * 4096


def _download(cloud: OpenstackCloud, image: str, **headers: str) -> requests.Response:
    url = f"{cloud.gates['glance'].url}/v2/images/{image}/file"
    return requests.get(url, headers={"X-Auth-Token": cloud.user.auth_token, **headers}, timeout=60)


@pytest.mark.parametrize("place", [0, 1, 70_000, len(CONTENT) - 1])
def test_a_download_is_cut_at_any_byte_and_goes_on_by_range(cloud: OpenstackCloud, place: int) -> None:
    image = cloud.make.image(CONTENT)
    cloud.gates["glance"].faults.append(Fault(r"GET .*/file", cut_after=place))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        _download(cloud, image)
    assert _download(cloud, image, Range=f"bytes={place}-").content == CONTENT[place:]


def test_no_answer_gets_past_a_place(cloud: OpenstackCloud) -> None:
    image = cloud.make.image(CONTENT)
    cloud.gates["glance"].faults.append(Fault(r"GET .*/file", times=None, cut_at=1000))
    for start in (0, 900, 1000):
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            _download(cloud, image, Range=f"bytes={start}-")


def test_a_busy_service_says_so_once(cloud: OpenstackCloud) -> None:
    cloud.gates["cinder"].faults.append(Fault(r"POST .*/snapshots", status=503, headers={"Retry-After": "1"}))
    volume = cloud.make.volume()
    with pytest.raises(HttpException, match="503"):
        cloud.user.block_storage.create_snapshot(volume_id=volume)
    assert cloud.gates["cinder"].requests[-1].status == 503
    assert cloud.user.block_storage.create_snapshot(volume_id=volume).id


def test_the_driver_fails_as_often_as_told(cloud: OpenstackCloud) -> None:
    volume = cloud.make.volume()
    cloud.mishaps.driver("create_snapshot", times=1)
    for status in ("error", "available"):
        snapshot = cloud.user.block_storage.create_snapshot(volume_id=volume, name=status)
        cloud.make.until("snapshot", snapshot.id, status)


def test_a_quota_refuses_the_snapshot(cloud: OpenstackCloud) -> None:
    volume = cloud.make.volume()
    cloud.mishaps.quota(snapshots=0)
    with pytest.raises(HttpException) as refusal:
        cloud.user.block_storage.create_snapshot(volume_id=volume)
    assert refusal.value.status_code == 413
    cloud.mishaps.mend()
    assert cloud.user.block_storage.create_snapshot(volume_id=volume).id


def test_a_volume_in_error_says_so(cloud: OpenstackCloud) -> None:
    volume = cloud.make.volume()
    cloud.mishaps.volume_status(volume, "error")
    assert cloud.user.block_storage.get_volume(volume).status == "error"


def test_a_revoked_token_is_refused_by_every_service(cloud: OpenstackCloud) -> None:
    token = str(cloud.user.session.get_token())
    cloud.mishaps.revoke(token)
    for name, path in (("glance", "/v2/images"), ("nova", "/v2.1/servers"), ("neutron", "/v2.0/ports")):
        answer = requests.get(cloud.gates[name].url + path, headers={"X-Auth-Token": token}, timeout=60)
        assert answer.status_code == 401, name
    assert list(cloud.user.image.images()) == []  # openstacksdk logs in again


def test_an_image_that_was_deleted_or_deactivated_gives_no_bytes(cloud: OpenstackCloud) -> None:
    gone, off = cloud.make.image(CONTENT), cloud.make.image(CONTENT)
    cloud.mishaps.delete_image(gone)
    cloud.mishaps.deactivate_image(off)
    assert _download(cloud, gone).status_code == 404
    assert _download(cloud, off).status_code == 403
