"""What a Kubernetes API promises (kubernetes.io/docs/reference/using-api), seen of the one that tests run against."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from rig.kube import APPLY, JSON_PATCH, MERGE_PATCH, Answer, KubeCluster
from rig.kube.binaries import kubernetes_version

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
THINGS = "/apis/rig.example.com/v1/namespaces/default/things"
OBJECT = {"type": "object"}
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {name: {"type": "integer"} for name in "abc"} | {"d": {"type": "integer", "default": 4}},
        },
        "status": {"type": "object", "properties": {"p": {"type": "integer"}}},
    },
}
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.rig.example.com"},
    "spec": {
        "group": "rig.example.com",
        "names": {"kind": "Thing", "plural": "things", "singular": "thing"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": SCHEMA},
            }
        ],
    },
}


@pytest.fixture(scope="module")
def api(kube: KubeCluster) -> Iterator[KubeCluster]:
    assert kube.request("POST", CRDS, CRD).status == 201
    while kube.request("GET", THINGS).status != 200:
        time.sleep(0.05)
    yield kube
    kube.request("DELETE", f"{CRDS}/things.rig.example.com")


@pytest.fixture(autouse=True)
def _no_things_left(api: KubeCluster) -> Iterator[None]:
    yield
    for item in api.request("GET", THINGS).body["items"]:
        path = f"{THINGS}/{item['metadata']['name']}"
        api.request("PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE_PATCH)
        api.request("DELETE", path)


def thing(name: str, *, spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    meta = {"name": name, **metadata}
    return {"apiVersion": "rig.example.com/v1", "kind": "Thing", "metadata": meta, "spec": spec or {"a": 1}}


def create(api: KubeCluster, name: str, **metadata: Any) -> dict[str, Any]:
    answer = api.request("POST", THINGS, thing(name, **metadata))
    assert answer.status == 201, answer
    made: dict[str, Any] = answer.body
    return made


def patch(api: KubeCluster, name: str, body: object, content_type: str = MERGE_PATCH, **parameters: str) -> Answer:
    return api.request("PATCH", f"{THINGS}/{name}", body, content_type=content_type, **parameters)


def apply(api: KubeCluster, name: str, spec: dict[str, Any], manager: str, **parameters: str) -> Answer:
    return patch(api, name, thing(name, spec=spec), APPLY, fieldManager=manager, **parameters)


def test_creating_fills_in_metadata_and_defaults(api: KubeCluster) -> None:
    made = create(api, "new")
    assert {"uid", "creationTimestamp", "resourceVersion"} <= set(made["metadata"])
    assert made["metadata"]["generation"] == 1
    assert made["spec"] == {"a": 1, "d": 4}


def test_creating_twice_is_refused(api: KubeCluster) -> None:
    create(api, "twice")
    answer = api.request("POST", THINGS, thing("twice"))
    assert (answer.status, answer.reason) == (409, "AlreadyExists")


def test_generated_names_begin_with_their_prefix(api: KubeCluster) -> None:
    body = thing("") | {"metadata": {"generateName": "gen-"}}
    names = [api.request("POST", THINGS, body).body["metadata"]["name"] for _ in range(2)]
    assert all(name.startswith("gen-") for name in names)
    assert len(set(names)) == 2


def test_a_missing_object_is_a_status(api: KubeCluster) -> None:
    answer = api.request("GET", f"{THINGS}/nobody")
    assert (answer.status, answer.reason, answer.body["kind"]) == (404, "NotFound", "Status")


@pytest.mark.parametrize(
    ("body", "told"),
    [(thing("BAD_Name"), "RFC 1123"), (thing("bad-type", spec={"a": "text"}), "must be of type integer")],
)
def test_invalid_objects_are_refused_with_the_field(api: KubeCluster, body: dict[str, Any], told: str) -> None:
    answer = api.request("POST", THINGS, body)
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert told in answer.message


def test_unknown_fields_are_pruned(api: KubeCluster) -> None:
    made = api.request("POST", THINGS, thing("pruned", spec={"a": 1, "unknown": 2})).body
    assert "unknown" not in made["spec"]


def test_merge_patches_set_and_remove(api: KubeCluster) -> None:
    create(api, "merge")
    assert patch(api, "merge", {"spec": {"b": 2}}).body["spec"] == {"a": 1, "b": 2, "d": 4}
    assert patch(api, "merge", {"spec": {"b": None}}).body["spec"] == {"a": 1, "d": 4}


def test_json_patches_test_before_they_write(api: KubeCluster) -> None:
    create(api, "json")
    path = "/spec/c"
    assert patch(api, "json", [{"op": "add", "path": path, "value": 3}], JSON_PATCH).body["spec"]["c"] == 3
    assert patch(api, "json", [{"op": "test", "path": path, "value": 4}], JSON_PATCH).status == 422


def test_generation_counts_changes_of_the_spec_alone(api: KubeCluster) -> None:
    create(api, "counted")
    assert patch(api, "counted", {"metadata": {"labels": {"x": "1"}}}).body["metadata"]["generation"] == 1
    assert patch(api, "counted", {"spec": {"a": 2}}).body["metadata"]["generation"] == 2
    status = api.request("PATCH", f"{THINGS}/counted/status", {"status": {"p": 1}}, content_type=MERGE_PATCH)
    assert status.body["metadata"]["generation"] == 2


def test_the_status_is_written_through_its_subresource_alone(api: KubeCluster) -> None:
    create(api, "isolated")
    assert "status" not in patch(api, "isolated", {"status": {"p": 1}}).body
    both = {"status": {"p": 2}, "spec": {"b": 9}}
    written = api.request("PATCH", f"{THINGS}/isolated/status", both, content_type=MERGE_PATCH).body
    assert written["status"] == {"p": 2}
    assert "b" not in written["spec"]


def test_stale_writes_conflict(api: KubeCluster) -> None:
    stale = create(api, "stale")
    patch(api, "stale", {"spec": {"a": 2}})
    replaced = api.request("PUT", f"{THINGS}/stale", stale)
    assert (replaced.status, replaced.reason) == (409, "Conflict")
    version = stale["metadata"]["resourceVersion"]
    assert patch(api, "stale", {"metadata": {"resourceVersion": version}, "spec": {"a": 3}}).status == 409
    assert api.request("GET", f"{THINGS}/stale").body["spec"]["a"] == 2


def test_a_write_without_change_keeps_the_resource_version(api: KubeCluster) -> None:
    made = create(api, "same")
    again = patch(api, "same", {"spec": {"a": 1}}).body
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_applying_keeps_the_fields_of_other_managers(api: KubeCluster) -> None:
    assert apply(api, "shared", {"a": 1}, "one").status == 201
    assert apply(api, "shared", {"b": 2}, "two").body["spec"] == {"a": 1, "b": 2, "d": 4}
    refused = apply(api, "shared", {"a": 5}, "two")
    assert (refused.status, refused.reason) == (409, "Conflict")
    assert '"one"' in refused.message
    assert apply(api, "shared", {"a": 5}, "two", force="true").body["spec"]["a"] == 5


def test_applying_less_removes_what_the_manager_alone_owned(api: KubeCluster) -> None:
    apply(api, "less", {"a": 1, "b": 2}, "one")
    assert apply(api, "less", {"a": 1}, "one").body["spec"] == {"a": 1, "d": 4}


def test_selectors_choose(api: KubeCluster) -> None:
    create(api, "s1", labels={"x": "1"})
    create(api, "s2", labels={"x": "2"})

    def names(**selector: str) -> list[str]:
        return [item["metadata"]["name"] for item in api.request("GET", THINGS, **selector).body["items"]]

    assert names(labelSelector="x=2") == ["s2"]
    assert names(labelSelector="x in (1,3)") == ["s1"]
    assert names(fieldSelector="metadata.name=s1") == ["s1"]


def test_lists_come_in_pages(api: KubeCluster) -> None:
    for name in ("p1", "p2", "p3"):
        create(api, name)
    first = api.request("GET", THINGS, limit="2").body
    assert (first["kind"], len(first["items"])) == ("ThingList", 2)
    rest = api.request("GET", THINGS, limit="2", **{"continue": first["metadata"]["continue"]}).body
    assert [item["metadata"]["name"] for item in rest["items"]] == ["p3"]


def test_finalizers_hold_an_object_until_they_are_gone(api: KubeCluster) -> None:
    create(api, "held", finalizers=["rig.example.com/hold"])
    api.request("DELETE", f"{THINGS}/held")
    assert "deletionTimestamp" in api.request("GET", f"{THINGS}/held").body["metadata"]
    added = patch(api, "held", {"metadata": {"finalizers": ["rig.example.com/hold", "rig.example.com/more"]}})
    assert added.status == 422, "no finalizer is added to what is being deleted"
    patch(api, "held", {"metadata": {"finalizers": None}})
    assert api.request("GET", f"{THINGS}/held").status == 404


def test_preconditions_protect_a_namesake(api: KubeCluster) -> None:
    made = create(api, "mine")
    wrong = {"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}}
    assert api.request("DELETE", f"{THINGS}/mine", wrong).status == 409
    right = {"preconditions": {"uid": made["metadata"]["uid"]}}
    assert api.request("DELETE", f"{THINGS}/mine", right).status == 200


def test_a_dry_run_writes_nothing(api: KubeCluster) -> None:
    assert api.request("POST", THINGS, thing("dry"), dryRun="All").status == 201
    assert api.request("GET", f"{THINGS}/dry").status == 404


def test_a_watch_tells_what_comes_after_the_list(api: KubeCluster) -> None:
    create(api, "before")
    version = api.request("GET", THINGS).body["metadata"]["resourceVersion"]
    later = threading.Timer(0.2, lambda: (create(api, "after"), api.request("DELETE", f"{THINGS}/after")))
    later.start()
    events = []
    for event in api.watch(THINGS, resourceVersion=version):
        events.append((event.type, event.name))
        if len(events) == 2:
            break
    later.join()
    assert events == [("ADDED", "after"), ("DELETED", "after")]


def test_a_watch_from_too_long_ago_is_gone(api: KubeCluster) -> None:
    create(api, "early")
    (event,) = api.watch(THINGS, resourceVersion="1")
    assert (event.type, event.object["code"], event.object["reason"]) == ("ERROR", 410, "Expired")


def test_bookmarks_tell_when_the_initial_list_is_over(api: KubeCluster) -> None:
    create(api, "listed")
    events = api.watch(
        THINGS, sendInitialEvents="true", resourceVersionMatch="NotOlderThan", allowWatchBookmarks="true"
    )
    first, second = next(events), next(events)
    assert (first.type, first.name) == ("ADDED", "listed")
    assert second.type == "BOOKMARK"
    assert second.object["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true"


def test_a_watch_ends_when_its_time_is_up(api: KubeCluster) -> None:
    version = api.request("GET", THINGS).body["metadata"]["resourceVersion"]
    assert list(api.watch(THINGS, seconds=1, resourceVersion=version)) == []


def test_secrets_turn_plain_text_into_base64(api: KubeCluster) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "plain"}, "stringData": {"p": "x"}}
    made = api.request("POST", "/api/v1/namespaces/default/secrets", secret)
    assert made.body["data"] == {"p": "eA=="}
    assert api.request("POST", "/api/v1/namespaces/nowhere/secrets", secret).status == 404


def test_rbac_refuses_what_is_not_granted_and_grants_what_is(api: KubeCluster) -> None:
    token = api.user("operator")
    refused = api.request("GET", THINGS, token=token)
    assert (refused.status, refused.reason) == (403, "Forbidden")
    assert 'User "operator" cannot list resource "things"' in refused.message
    granted = api.kubectl("create", "role", "lister", "--verb=list", "--resource=things.rig.example.com")
    bound = api.kubectl("create", "rolebinding", "lister", "--role=lister", "--user=operator")
    assert granted.returncode == bound.returncode == 0, granted.stderr + bound.stderr
    while api.request("GET", THINGS, token=token).status == 403:  # the authorizer learns of it by a watch
        time.sleep(0.05)
    assert api.request("GET", THINGS, token=token).status == 200
    assert api.request("POST", THINGS, thing("no"), token=token).status == 403


def test_nobody_gets_in_with_a_wrong_token(api: KubeCluster) -> None:
    assert api.request("GET", THINGS, token="wrong").status == 401


def test_service_accounts_get_tokens(api: KubeCluster) -> None:
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    api.request("POST", accounts, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}})
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = api.request("POST", f"{accounts}/robot/token", asked).body["status"]["token"]
    refused = api.request("GET", THINGS, token=token)
    assert (refused.status, "system:serviceaccount:default:robot" in refused.message) == (403, True)


def test_kubectl_is_of_the_server_s_version(api: KubeCluster) -> None:
    told = api.kubectl("version", "-o", "json").stdout
    assert told.count(f'"gitVersion": "{kubernetes_version()}"') == 2


def test_a_crash_of_the_api_server_loses_nothing_but_breaks_watches(api: KubeCluster) -> None:
    made = create(api, "survivor")
    events = api.watch(THINGS, seconds=60, resourceVersion="0")
    assert next(events).name == "survivor"
    api.restart_apiserver()
    with pytest.raises((OSError, StopIteration)):
        next(events)
    while (again := api.request("GET", f"{THINGS}/survivor")).status != 200:
        time.sleep(0.05)
    assert again.body["metadata"]["uid"] == made["metadata"]["uid"]


def test_what_was_stored_outlives_etcd(api: KubeCluster) -> None:
    made = create(api, "stored")
    api.kill_etcd()
    assert not api.is_ready()
    api.start()
    found = api.request("GET", f"{THINGS}/stored")
    assert found.body["metadata"]["uid"] == made["metadata"]["uid"]
