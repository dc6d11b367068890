"""One Pod's container as a process, its restarts and its status."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from rig.harvester import podfiles
from rig.harvester.kinds import PODS
from rig.harvester.kube import Object
from rig.harvester.quantities import parse
from rig.harvester.world import World, timestamp

ENTRYPOINT = [sys.executable, "-m", "thresher"]
"""What the image of Thresher's Containerfile runs where a container names no command."""
_KEPT = ("PATH", "LANG", "PYTHONPATH", "VIRTUAL_ENV")
_REFRESH_S = 2.0  # the kubelet: a minute
_START_ERROR = 128  # the kubelet's exit code for a program that the runtime cannot start


class Container:
    """The process of a Pod, which runs as whoever runs the rig: ``securityContext`` and requests have no effect.

    The rig runs Pods of one container and no init containers.
    """

    def __init__(self, world: World, pod: Object, address: str) -> None:
        meta = pod["metadata"]
        self.named = (meta["namespace"], meta["name"])
        self._world = world
        self._address = address
        self._pod = self._placed(pod)
        self._spec = pod["spec"]["containers"][0]
        self._folder = world.root / "pods" / meta["namespace"] / meta["name"]
        self._volumes: dict[str, Path] = {}
        self._words: list[str] = []
        self._variables: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._started = timestamp()
        self._restarts = 0
        self._last: Object = {}
        self._again_at = 0.0
        self._terminated = 0.0
        self._refreshed = 0.0
        self._killed = ""
        self._said: tuple[str, Object] = ("Pending", {})

    def prepare(self) -> None:
        """Make the volumes, the words and the variables.

        Raises:
            NotYet: something is missing.
        """
        if len(self._pod["spec"]["containers"]) != 1 or self._pod["spec"].get("initContainers"):
            raise podfiles.NotYet("the rig runs Pods of one container and no init containers")
        kube = self._world.kube
        self._volumes = podfiles.volumes(self._world, self._pod, self._folder / "volumes")
        mounts = {m["mountPath"].rstrip("/"): self._at(m) for m in self._spec.get("volumeMounts") or []}
        mounts |= {device["devicePath"]: self._device(device) for device in self._spec.get("volumeDevices") or []}
        variables = podfiles.environment(kube, self._pod, self._spec)
        account = podfiles.account(kube, self._pod, self._folder / "account")
        if account is not None:
            mounts[podfiles.ACCOUNT_PATH] = account
        words = [podfiles.expanded(word, variables) for word in _command(self._spec)]
        program, *arguments = words
        # a program of this machine, such as this Python, stands for the image's, wherever it is
        program = program if Path(program).exists() else podfiles.replaced(program, mounts)
        self._words = [program, *(podfiles.replaced(word, mounts) for word in arguments)]
        variables = {key: podfiles.replaced(value, mounts) for key, value in variables.items()}
        if account is not None:
            variables["KUBECONFIG"] = str(account / "kubeconfig")
        if "/tmp" in mounts:  # noqa: S108 - the container's, which stands for the process's
            variables["TMPDIR"] = str(mounts["/tmp"])  # noqa: S108 - likewise
        home = self._folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        base = {key: os.environ[key] for key in _KEPT if key in os.environ}
        cluster = {"KUBERNETES_SERVICE_HOST": kube.host, "KUBERNETES_SERVICE_PORT": str(kube.port)}
        self._variables = base | cluster | {"HOME": str(home), "HOSTNAME": self.named[1]} | variables

    def start(self) -> None:
        """Start the process."""
        self._started = timestamp()
        with (self._folder / "log").open("ab") as log:
            try:
                self._process = subprocess.Popen(
                    self._words,
                    env=self._variables,
                    cwd=self._folder / "home",
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as error:
                log.write(f"{error}\n".encode())
                self._settle(_START_ERROR)
                return
        running = {"running": {"startedAt": self._started}}
        self._report("Running", running)

    def follow(self, pod: Object) -> None:
        """Look whether the process still runs, and do what the restart policy says if not."""
        self._pod = self._placed(pod)
        if pod.get("status", {}).get("phase") != self._said[0]:
            self._report(*self._said)  # it was not heard, or our copy of the Pod is behind
        if self._said[0] != "Running":
            return
        self._refresh()
        if self._process is None:
            if time.monotonic() >= self._again_at:
                self.start()
            return
        code = self._process.poll()
        if code is None:
            self._evict_if_full()
            return
        self._process = None
        self._settle(code)

    def _settle(self, code: int) -> None:
        """Do what the restart policy says after an end with that code."""
        policy = self._pod["spec"].get("restartPolicy", "Always")
        ended = self._ended(code)
        if not self._killed and (policy == "Always" or (policy == "OnFailure" and code != 0)):
            self._restarts += 1
            self._last = ended
            self._again_at = time.monotonic() + min(self._world.pace.restart_s * 2 ** (self._restarts - 1), 300)
            waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}}
            self._report("Running", waiting)
        else:
            self._report("Succeeded" if code == 0 else "Failed", ended)

    def terminate(self) -> float:
        """Ask the process to end, once.

        Returns:
            when it was asked.
        """
        if not self._terminated:
            self._terminated = time.monotonic()
            self._signal(signal.SIGTERM)
        return self._terminated

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process is not None and self._process.poll() is None

    def crash(self) -> None:
        """Kill the process from outside: its restart policy decides what follows."""
        self._signal(signal.SIGKILL)

    def kill(self) -> None:
        """End it for good, and remove its folder; what it wrote stays to be read."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
        for path in ("volumes", "account", "home"):
            shutil.rmtree(self._folder / path, ignore_errors=True)

    def report_end(self) -> None:
        """Say how it ended once it was killed for good."""
        code = self._process.returncode if self._process is not None else 1
        self._report("Succeeded" if code == 0 else "Failed", self._ended(code))

    def _signal(self, number: int) -> None:
        if self.alive() and self._process is not None:
            os.killpg(self._process.pid, number)

    def _placed(self, pod: Object) -> Object:
        """The Pod with what the scheduler and the kubelet add, for its downward API."""
        addresses = {"podIP": self._address, "hostIP": "127.0.0.1"}
        return {**pod, "spec": {**pod["spec"], "nodeName": "node-0"}, "status": {**pod.get("status", {}), **addresses}}

    def _at(self, mount: Object) -> Path:
        path = self._volumes[mount["name"]]
        if path.is_file():  # the kubelet's words (pkg/kubelet/kubelet_pods.go, makeMounts)
            raise podfiles.NotYet(f"volume {mount['name']} has volumeMode Block, but is specified in volumeMounts")
        return path / str(mount.get("subPath", ""))

    def _device(self, device: Object) -> Path:
        """The file that stands for a block device."""
        path = self._volumes[device["name"]]
        if not path.is_file():
            raise podfiles.NotYet(f"volume {device['name']} has volumeMode Filesystem, but is in volumeDevices")
        return path

    def _refresh(self) -> None:
        """The kubelet writes changed Secrets and ConfigMaps into running Pods (but not into sub-paths)."""
        if time.monotonic() < self._refreshed + _REFRESH_S:
            return
        self._refreshed = time.monotonic()
        for volume in self._pod["spec"].get("volumes") or []:
            if "secret" in volume or "configMap" in volume:
                try:
                    podfiles.fill(self._world.kube, self._pod, volume, self._volumes[volume["name"]])
                except podfiles.NotYet:
                    continue  # the old files stay, as the kubelet leaves them

    def _evict_if_full(self) -> None:
        """What a mount of limited size cannot refuse (see VolumeController) is counted, as emptyDirs are."""
        for volume in self._pod["spec"].get("volumes") or []:
            limit = _limit(volume)
            path = self._volumes[volume["name"]]
            if limit is None or path.is_mount() or podfiles.used([path]) <= limit:
                continue
            self._killed = f'Usage of volume "{volume["name"]}" exceeds the limit "{limit}".'
            self._world.event(self._pod, "Evicted", self._killed)
            self._signal(signal.SIGKILL)

    def _ended(self, code: int) -> Object:
        exit_code = 128 - code if code < 0 else code
        reason = {0: "Completed", _START_ERROR: "StartError"}.get(code, "Error")
        return {
            "terminated": {
                "exitCode": exit_code,
                "reason": reason,
                "startedAt": self._started,
                "finishedAt": timestamp(),
            }
        }

    def _report(self, phase: str, state: Object) -> None:
        self._said = (phase, state)
        ready = "running" in state
        container = {
            "name": self._spec["name"],
            "image": self._spec["image"],
            "imageID": self._spec["image"],
            "ready": ready,
            "started": ready,
            "restartCount": self._restarts,
            "state": state,
            "lastState": self._last,
        }
        status: Object = {
            "phase": phase,
            "podIP": self._address,
            "podIPs": [{"ip": self._address}],
            "hostIP": "127.0.0.1",
            "hostIPs": [{"ip": "127.0.0.1"}],
            "containerStatuses": [container],
            "conditions": [
                {"type": "PodScheduled", "status": "True"},
                {"type": "Ready", "status": str(ready), "lastTransitionTime": timestamp()},
            ],
        }
        if self._restarts == 0 and phase == "Running":
            status["startTime"] = self._started
        if self._killed:
            status |= {"reason": "Evicted", "message": self._killed}
        self._world.kube.patch(PODS, self._pod, {"status": status}, "status")


def _command(spec: Object) -> list[str]:
    """A container's words; without a command, those of Thresher's image."""
    return [*(spec.get("command") or ENTRYPOINT), *(spec.get("args") or [])]


def _limit(volume: Object) -> int | None:
    if "ephemeral" in volume:
        return parse(volume["ephemeral"]["volumeClaimTemplate"]["spec"]["resources"]["requests"]["storage"])
    limit = (volume.get("emptyDir") or {}).get("sizeLimit")
    return None if limit is None else parse(limit)
