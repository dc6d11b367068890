"""The Job controller."""

import secrets
from datetime import UTC, datetime

from rig.harvester.kinds import JOBS, PODS
from rig.harvester.kube import Object
from rig.harvester.world import World, deleting, guarded, is_true, owner, timestamp

_BACKOFF_LIMIT = 6  # the API's default


class JobController:
    """Makes a Job's Pod, counts how often it failed, and says how the Job ended."""

    def __init__(self, world: World) -> None:
        self._world = world

    def step(self) -> None:
        """Look at every Job."""
        pods: dict[str, list[Object]] = {}
        for pod in self._world.mirror(PODS).all():
            for reference in pod["metadata"].get("ownerReferences") or []:
                pods.setdefault(reference["uid"], []).append(pod)
        for job in self._world.mirror(JOBS).all():
            mine = pods.get(job["metadata"]["uid"], [])
            guarded(self._world, self._job, job, mine)

    def stop(self) -> None:
        """Nothing runs here."""

    def _job(self, job: Object, pods: list[Object]) -> None:
        if deleting(job):
            return
        if is_true(job, "Complete") or is_true(job, "Failed"):
            self._expire(job)
            return
        if "startTime" not in (job.get("status") or {}):
            seen = {"resourceVersion": job["metadata"]["resourceVersion"]}  # a Job starts once: the copy may be old
            self._world.kube.patch(JOBS, job, {"metadata": seen, "status": {"startTime": timestamp()}}, "status")
            return
        phases = [(pod.get("status") or {}).get("phase", "Pending") for pod in pods]
        if is_true(job, "FailureTarget"):
            self._fail(job, pods)
        elif "Succeeded" in phases:
            self._complete(job, phases.count("Failed"))
        elif self._late(job):
            self._doom(job, "DeadlineExceeded", "Job was active longer than specified deadline")
        elif self._failures(pods) > job["spec"].get("backoffLimit", _BACKOFF_LIMIT):
            self._doom(job, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
        elif all(phase == "Failed" for phase in phases) and not job["spec"].get("suspend"):
            self._make(job, len(pods))

    def _make(self, job: Object, known: int) -> None:
        meta, template = job["metadata"], job["spec"]["template"]
        selector = f"batch.kubernetes.io/controller-uid={meta['uid']}"
        if len(self._world.kube.list(PODS, meta["namespace"], labelSelector=selector)["items"]) > known:
            return  # the Pod is made, our copy does not have it yet
        labels = {**((template.get("metadata") or {}).get("labels") or {}), "job-name": meta["name"]}
        labels |= {"batch.kubernetes.io/job-name": meta["name"], "batch.kubernetes.io/controller-uid": meta["uid"]}
        made = {
            "name": f"{meta['name'][:57]}-{secrets.token_hex(3)[:5]}",
            "namespace": meta["namespace"],
            "labels": labels,
            "annotations": (template.get("metadata") or {}).get("annotations") or {},
            "ownerReferences": [owner(job)],
        }
        self._world.kube.create(PODS, {"metadata": made, "spec": template["spec"]})
        self._world.event(job, "SuccessfulCreate", f"Created pod: {made['name']}", warning=False)
        self._world.kube.patch(JOBS, job, {"status": {"active": 1, "ready": 0}}, "status")

    def _failures(self, pods: list[Object]) -> int:
        """Failed Pods, and the restarts of containers within Pods."""
        count = 0
        for pod in pods:
            status = pod.get("status") or {}
            count += status.get("phase") == "Failed"
            if pod["spec"].get("restartPolicy") == "OnFailure":
                count += sum(container["restartCount"] for container in status.get("containerStatuses") or [])
        return count

    def _late(self, job: Object) -> bool:
        limit = job["spec"].get("activeDeadlineSeconds")
        return limit is not None and _age(job["status"]["startTime"]) > limit

    def _complete(self, job: Object, failed: int) -> None:
        reason, message = "CompletionsReached", "Reached expected number of succeeded pods"
        # the API server refuses Complete without the other (batch/v1 validation since 1.31)
        both = [_condition(kind, reason, message) for kind in ("SuccessCriteriaMet", "Complete")]
        status: Object = {"conditions": both, "active": 0, "ready": 0, "failed": failed, "terminating": 0}
        status |= {"succeeded": 1, "completionTime": timestamp()}
        seen = {"resourceVersion": job["metadata"]["resourceVersion"]}  # a Job completes once: the copy may be old
        self._world.kube.patch(JOBS, job, {"metadata": seen, "status": status}, "status")
        self._world.event(job, "Completed", "Job completed", warning=False)

    def _doom(self, job: Object, reason: str, message: str) -> None:
        """The Job will have failed once its Pods have ended."""
        self._world.kube.patch(
            JOBS, job, {"status": {"conditions": [_condition("FailureTarget", reason, message)]}}, "status"
        )
        self._world.event(job, reason, message)

    def _fail(self, job: Object, pods: list[Object]) -> None:
        active = [pod for pod in pods if (pod.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}]
        for pod in active:
            if not deleting(pod):
                self._world.kube.delete(PODS, pod)
        if active:
            return
        (target,) = job["status"]["conditions"]
        both = [target, _condition("Failed", target["reason"], target["message"])]
        status = {"conditions": both, "active": 0, "ready": 0, "failed": max(1, len(pods)), "terminating": 0}
        self._world.kube.patch(JOBS, job, {"status": status}, "status")

    def _expire(self, job: Object) -> None:
        seconds = job["spec"].get("ttlSecondsAfterFinished")
        ended = max(item["lastTransitionTime"] for item in job["status"]["conditions"])
        if seconds is not None and _age(ended) >= seconds:
            self._world.kube.delete(JOBS, job, propagationPolicy="Background")


def _age(text: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds()


def _condition(kind: str, reason: str, message: str) -> Object:
    now = timestamp()
    base = {"type": kind, "status": "True", "reason": reason, "message": message}
    return {**base, "lastTransitionTime": now, "lastProbeTime": now}
