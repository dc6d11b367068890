"""What the add-on's documentation tells a user to do with an OVA, done with kubectl."""

from pathlib import Path

from rig.harvester import Harvester
from rig.kube import KubeCluster
from rig.operator import Operator, apply, events, get, import_word, network, wait
from rig.webserver import WebServer
from thresher.model.units import MIB, Bytes
from thresher.samples.manifests import sample_manifests
from thresher.samples.ova import write_sample_ova


def test_an_ova_becomes_a_running_vm(
    cluster: KubeCluster, harvester: Harvester, operator: Operator, namespace: str, web: WebServer, tmp_path: Path
) -> None:
    write_sample_ova(tmp_path / "web" / "vm.ova", "it is me", capacity=Bytes(64 * MIB), data=Bytes(4 * MIB))
    apply(cluster, network("vlan1", namespace))
    apply(cluster, sample_manifests(f"{web.url}vm.ova", "sample", name="demo", namespace=namespace))
    wait(
        lambda: import_word(cluster, namespace, "demo") == "virtualMachineRunning",
        what="the import is not done",
        log=operator.log,
    )
    source = cluster.kubectl("get", "ovasource.migration", "-n", namespace).stdout
    assert "clusterReady" in source
    status = get(cluster, "virtualmachineimport.migration", namespace, "demo")["status"]
    assert status["progress"] == 100
    assert [row["progress"] for row in status["diskImportStatus"]] == [100, 100]
    vm = status["newVirtualMachine"]
    wait(lambda: "it is me" in harvester.console(namespace, vm), what="the guest says nothing")
    reasons = [reason for reason, _ in events(cluster, namespace, "demo")]
    assert {"Valid", "Copying", "Exported", "Submitted", "ImagesReady", "Created", "Running"} <= set(reasons)
    wait(
        lambda: not get(cluster, "jobs,secrets,configmaps", namespace)["items"][1:], what="the transfer's objects stay"
    )
