"""Backends, checksums, and an API server that goes away."""

import hashlib

from rig.harvester import THIRD_PARTY_CLASS, V2_CLASS
from rig.operator import wait
from rig.operator_user import MARKER, User
from rig.webserver import Faults
from thresher.model.units import MIB


def test_harvester_refuses_any_other_bytes_where_sha512_is_asked_for(user: User) -> None:
    user.import_changed(verify="sha512")
    user.wait_for("virtualMachineRunning")
    images = user.get("vmimages")["items"]
    assert len(images) == 2
    assert all(len(image["spec"]["checksum"]) == hashlib.sha512().digest_size * 2 for image in images)


def test_a_third_partys_storage_class_goes_through_cdi(user: User) -> None:
    user.import_changed(storageClass=THIRD_PARTY_CLASS)
    user.wait_for("virtualMachineRunning")
    assert {image["spec"]["backend"] for image in user.get("vmimages")["items"]} == {"cdi"}
    wait(lambda: MARKER in user.harvester.console(user.namespace, "sample"), what="the guest says nothing")


def test_longhorns_second_engine_goes_through_cdi(user: User) -> None:
    user.import_changed(storageClass=V2_CLASS)
    user.wait_for("virtualMachineRunning")
    assert {image["spec"]["backend"] for image in user.get("vmimages")["items"]} == {"cdi"}


def test_the_api_server_may_be_away_for_a_while(user: User) -> None:
    user.web.faults = Faults(rate=MIB // 8)
    user.import_ova()
    wait(lambda: user.names("pods"), what="no worker was started", log=user.operator.log)
    user.cluster.restart_apiserver()
    user.web.faults = Faults()
    user.wait_for("virtualMachineRunning")
    assert user.operator.running
