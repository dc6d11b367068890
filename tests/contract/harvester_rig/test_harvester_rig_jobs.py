import sys
from ipaddress import ip_address
from typing import Any

import pytest

from rig.harvester import DEFAULT_CLASS, Faults, Harvester, Object, eventually
from rig.harvester.kinds import CLAIMS, CONFIG_MAPS, JOBS, PODS, ROLE_BINDINGS, ROLES, SECRETS, SERVICE_ACCOUNTS
from rig.harvester.samples import condition, events, job, job_ended, pods

SHELL = ["/bin/sh", "-c"]


def _run(harvester: Harvester, item: Object) -> str:
    """Run a Job to its end, and return what its last Pod wrote."""
    harvester.kube.create(JOBS, item)
    meta = item["metadata"]
    end = job_ended(harvester, meta["namespace"], meta["name"])
    log = harvester.pod_log(meta["namespace"], pods(harvester, meta["namespace"])[-1]["metadata"]["name"])
    assert end == "Complete", log
    return log


def _scratch(size: str) -> Object:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": DEFAULT_CLASS,
        "resources": {"requests": {"storage": size}},
    }
    return {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": spec}}}


def test_a_job_ends_as_its_process_ends(harvester: Harvester, namespace: str) -> None:
    assert _run(harvester, job(namespace, "good", [*SHELL, "echo done"])) == "done\n"
    found = harvester.kube.get(JOBS, namespace, "good")
    assert found["status"]["succeeded"] == 1
    (pod,) = pods(harvester, namespace)
    assert pod["status"]["phase"] == "Succeeded"
    assert ip_address(pod["status"]["podIP"]).is_loopback
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 0


def test_a_failed_job_has_used_up_its_backoff_limit(harvester: Harvester, namespace: str) -> None:
    harvester.kube.create(JOBS, job(namespace, "bad", [*SHELL, "exit 3"], backoffLimit=1))
    assert job_ended(harvester, namespace, "bad") == "Failed"
    assert condition(harvester.kube.get(JOBS, namespace, "bad"), "Failed")["reason"] == "BackoffLimitExceeded"
    codes = [
        pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] for pod in pods(harvester, namespace)
    ]
    assert codes == [3, 3]


def test_on_failure_the_container_starts_again_in_the_same_pod_with_its_scratch(
    harvester: Harvester, namespace: str
) -> None:
    script = "echo x >>/scratch/starts; cat /scratch/starts; [ $(wc -l </scratch/starts) = 3 ]"
    item = job(
        namespace,
        "again",
        [*SHELL, script],
        policy="OnFailure",
        container={"volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]},
        pod={"volumes": [_scratch("1Mi")]},
    )
    assert _run(harvester, item) == "x\n" * 6
    (pod,) = pods(harvester, namespace)
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 2


def test_a_killed_container_starts_again(harvester: Harvester, namespace: str) -> None:
    script = "[ -f /keep/mark ] && exit 0; touch /keep/mark; sleep 600"
    item = job(
        namespace,
        "killed",
        [*SHELL, script],
        policy="OnFailure",
        container={"volumeMounts": [{"name": "keep", "mountPath": "/keep"}]},
        pod={"volumes": [{"name": "keep", "emptyDir": {}}]},
    )
    harvester.kube.create(JOBS, item)
    eventually(lambda: [pod for pod in pods(harvester, namespace) if pod["status"].get("phase") == "Running"])
    name = pods(harvester, namespace)[0]["metadata"]["name"]
    eventually((harvester.root / "pods" / namespace / name / "volumes" / "keep" / "mark").exists)
    harvester.kill_pod(namespace, name)
    assert job_ended(harvester, namespace, "killed") == "Complete"
    last = pods(harvester, namespace)[0]["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert last["exitCode"] == 137


def test_scratch_is_a_claim_of_the_pod_that_holds_no_more_than_asked_for(harvester: Harvester, namespace: str) -> None:
    script = "df -k /scratch | tail -1; head -c 3000000 /dev/zero | tr '\\0' x >/scratch/big; echo code $?"
    item = job(
        namespace,
        "full",
        [*SHELL, script],
        container={"volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]},
        pod={"volumes": [_scratch("2Mi")]},
    )
    log = _run(harvester, item)
    assert "No space left on device" in log
    assert "code 0" not in log
    (claim,) = harvester.kube.list(CLAIMS, namespace)["items"]
    (pod,) = pods(harvester, namespace)
    assert claim["metadata"]["name"] == f"{pod['metadata']['name']}-scratch"
    assert claim["metadata"]["ownerReferences"][0]["uid"] == pod["metadata"]["uid"]
    assert claim["status"]["phase"] == "Bound"


def test_a_pod_that_overfills_its_empty_dir_is_evicted(harvester: Harvester, namespace: str) -> None:
    item = job(
        namespace,
        "fat",
        [*SHELL, "head -c 3000000 /dev/zero >/keep/big; sleep 600"],
        policy="OnFailure",
        container={"volumeMounts": [{"name": "keep", "mountPath": "/keep"}]},
        pod={"volumes": [{"name": "keep", "emptyDir": {"sizeLimit": "1Mi"}}]},
        backoffLimit=0,
    )
    harvester.kube.create(JOBS, item)
    assert job_ended(harvester, namespace, "fat") == "Failed"
    assert 'volume "keep" exceeds the limit' in events(harvester, namespace)
    (pod,) = pods(harvester, namespace)
    assert (pod["status"]["phase"], pod["status"]["reason"]) == ("Failed", "Evicted")


def test_without_scratch_the_pod_stays_pending_and_says_why(harvester: Harvester, namespace: str) -> None:
    harvester.fail(Faults(refuse_scratch=True))
    item = job(namespace, "dry", [*SHELL, "true"], pod={"volumes": [_scratch("1Mi")]})
    harvester.kube.create(JOBS, item)
    eventually(lambda: "unbound PersistentVolumeClaims" in events(harvester, namespace))
    (pod,) = pods(harvester, namespace)
    assert pod["status"]["phase"] == "Pending"
    assert condition(pod, "PodScheduled")["reason"] == "Unschedulable"
    harvester.fail()
    assert job_ended(harvester, namespace, "dry") == "Complete"


def test_secrets_config_maps_and_fields_are_files_and_variables(harvester: Harvester, namespace: str) -> None:
    harvester.kube.create(SECRETS, {"metadata": {"name": "s", "namespace": namespace}, "stringData": {"token": "t0"}})
    harvester.kube.create(CONFIG_MAPS, {"metadata": {"name": "c", "namespace": namespace}, "data": {"k": "v0"}})
    container = {
        "args": ["/etc/thresher/token", "--token-file=/etc/thresher/token", "/etc/thresher-not/token"],
        "env": [
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "KEY", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
            {"name": "URL", "value": "http://$(POD_IP)/$(KEY)"},
        ],
        "volumeMounts": [{"name": "s", "mountPath": "/etc/thresher"}, {"name": "p", "mountPath": "/info"}],
    }
    projected = [
        {"configMap": {"name": "c"}},
        {"downwardAPI": {"items": [{"path": "ns", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    volumes = [{"name": "s", "secret": {"secretName": "s"}}, {"name": "p", "projected": {"sources": projected}}]
    script = 'cat "$1"; echo; cat "${2#*=}"; echo; echo "$3"; echo "$URL"; cat /info/k /info/ns'
    log = _run(harvester, job(namespace, "j", [*SHELL, script, "sh0"], container=container, pod={"volumes": volumes}))
    address = pods(harvester, namespace)[0]["status"]["podIP"]
    assert log.splitlines() == ["t0", "t0", "/etc/thresher-not/token", f"http://{address}/v0", f"v0{namespace}"]


def test_two_pods_listen_on_one_port_each_at_its_own_address(harvester: Harvester, namespace: str) -> None:
    script = """
import os, socket, tempfile, time
listener = socket.create_server((os.environ["POD_IP"], 43210))
print("listening", tempfile.gettempdir(), flush=True)
time.sleep(600)
"""
    address = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    container = {"env": [address], "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]}
    pod = {"volumes": [{"name": "tmp", "emptyDir": {}}], "terminationGracePeriodSeconds": 1}
    for name in ("one", "two"):
        harvester.kube.create(JOBS, job(namespace, name, [sys.executable, "-c", script], container=container, pod=pod))

    def logs() -> list[str]:
        return [harvester.pod_log(namespace, each["metadata"]["name"]) for each in pods(harvester, namespace)]

    eventually(lambda: [log.split()[:1] for log in logs()] == [["listening"]] * 2, seconds=10)
    assert all(log.split()[1].startswith(f"{harvester.root}/pods/{namespace}/") for log in logs())


def test_a_worker_has_the_rights_of_its_own_account_and_no_more(harvester: Harvester, namespace: str) -> None:
    meta = {"name": "worker", "namespace": namespace}
    harvester.kube.create(SERVICE_ACCOUNTS, {"metadata": meta})
    rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["mine"], "verbs": ["get"]}
    harvester.kube.create(ROLES, {"metadata": meta, "rules": [rule]})
    subject = {"kind": "ServiceAccount", "name": "worker", "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "worker"}
    harvester.kube.create(ROLE_BINDINGS, {"metadata": meta, "subjects": [subject], "roleRef": role})
    for name in ("mine", "other"):
        harvester.kube.create(CONFIG_MAPS, {"metadata": {"name": name, "namespace": namespace}, "data": {}})
    script = f"""
import os, ssl, urllib.error, urllib.request
folder = "/var/run/secrets/kubernetes.io/serviceaccount"
token, ca = open(folder + "/token").read(), folder + "/ca.crt"
base = "https://%s:%s" % (os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"])
for name in ("mine", "other"):
    request = urllib.request.Request(base + "/api/v1/namespaces/{namespace}/configmaps/" + name)
    request.add_header("Authorization", "Bearer " + token)
    try:
        print(urllib.request.urlopen(request, context=ssl.create_default_context(cafile=ca)).status)
    except urllib.error.HTTPError as error:
        print(error.code)
"""
    item = job(namespace, "j", [sys.executable, "-c", script], pod={"serviceAccountName": "worker"})
    assert _run(harvester, item).split() == ["200", "403"]


def test_without_a_command_the_image_runs_thresher(harvester: Harvester, namespace: str) -> None:
    item = job(namespace, "j", [], container={"args": ["--help"]})
    del item["spec"]["template"]["spec"]["containers"][0]["command"]
    assert "thresher" in _run(harvester, item).lower()


def test_a_deleted_pod_is_asked_to_end_and_then_killed(harvester: Harvester, namespace: str) -> None:
    polite = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    stubborn = "trap 'echo no' TERM; echo up; while :; do sleep 0.05; done"
    for name, script in (("polite", polite), ("stubborn", stubborn)):
        container = {"name": "main", "image": "i", "command": [*SHELL, script]}
        spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
        made = harvester.kube.create(PODS, {"metadata": {"name": name, "namespace": namespace}, "spec": spec})
        eventually(lambda name=name: "up" in harvester.pod_log(namespace, name))  # type: ignore[misc] # bound now
        harvester.kube.delete(PODS, made)
        eventually(lambda name=name: harvester.kube.find(PODS, namespace, name) is None)  # type: ignore[misc] # bound now
    assert harvester.pod_log(namespace, "polite").endswith("bye\n")
    assert "no" in harvester.pod_log(namespace, "stubborn")


def test_a_program_that_is_not_there_is_a_start_error(harvester: Harvester, namespace: str) -> None:
    harvester.kube.create(JOBS, job(namespace, "j", ["/no/such/program"], backoffLimit=0))
    assert job_ended(harvester, namespace, "j") == "Failed"
    (pod,) = pods(harvester, namespace)
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "StartError"


def test_a_deadline_ends_a_job(harvester: Harvester, namespace: str) -> None:
    spec: dict[str, Any] = {"activeDeadlineSeconds": 1, "pod": {"terminationGracePeriodSeconds": 1}}
    harvester.kube.create(JOBS, job(namespace, "late", [*SHELL, "exec sleep 600"], **spec))
    assert job_ended(harvester, namespace, "late") == "Failed"
    assert condition(harvester.kube.get(JOBS, namespace, "late"), "Failed")["reason"] == "DeadlineExceeded"
    eventually(lambda: not pods(harvester, namespace))


def test_a_changed_config_map_reaches_a_running_pod(harvester: Harvester, namespace: str) -> None:
    made = harvester.kube.create(CONFIG_MAPS, {"metadata": {"name": "c", "namespace": namespace}, "data": {"k": ""}})
    item = job(
        namespace,
        "j",
        [*SHELL, "touch /run/up; until grep -q stop /c/k; do sleep 0.05; done"],
        container={"volumeMounts": [{"name": "c", "mountPath": "/c"}, {"name": "run", "mountPath": "/run"}]},
        pod={"volumes": [{"name": "c", "configMap": {"name": "c"}}, {"name": "run", "emptyDir": {}}]},
    )
    harvester.kube.create(JOBS, item)
    eventually(lambda: list((harvester.root / "pods" / namespace).glob("*/volumes/run/up")))
    harvester.kube.patch(CONFIG_MAPS, made, {"data": {"k": "stop"}})
    assert job_ended(harvester, namespace, "j") == "Complete"


@pytest.mark.parametrize("missing", ["secret", "configMap"])
def test_a_missing_secret_or_config_map_is_told_and_waited_for(
    harvester: Harvester, namespace: str, missing: str
) -> None:
    source = {"secret": {"secretName": "late"}} if missing == "secret" else {"configMap": {"name": "late"}}
    item = job(namespace, "j", [*SHELL, "true"], pod={"volumes": [{"name": "v", **source}]})
    harvester.kube.create(JOBS, item)
    eventually(lambda: "'late' not found" in events(harvester, namespace))
    kind = SECRETS if missing == "secret" else CONFIG_MAPS
    harvester.kube.create(kind, {"metadata": {"name": "late", "namespace": namespace}})
    assert job_ended(harvester, namespace, "j") == "Complete"


def test_a_mounted_volume_loses_its_room_and_gets_it_back(harvester: Harvester, namespace: str) -> None:
    container = {"volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]}
    item = job(namespace, "held", [*SHELL, "sleep 600"], container=container, pod={"volumes": [_scratch("4Mi")]})
    harvester.kube.create(JOBS, item)
    eventually(lambda: any(where == namespace for where, _ in harvester.running_pods))
    (claim,) = harvester.kube.list(CLAIMS, namespace)["items"]
    folder = harvester.disk_bytes(namespace, claim["metadata"]["name"])
    shrunk = harvester.shrink(namespace, claim["metadata"]["name"], 1 << 16)
    assert shrunk == folder.is_mount(), "only what is mounted has a limit"
    if not shrunk:  # whoever may not mount has no volumes that fill up
        return
    with pytest.raises(OSError, match="No space left"):
        (folder / "big").write_bytes(bytes(1 << 20))
    harvester.grow(folder)
    (folder / "big").write_bytes(bytes(1 << 20))
