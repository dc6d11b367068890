"""Starts and stops a simulated vCenter, and asks it what happened."""

import contextlib
import json
import secrets
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from rig import golang
from rig.kube.process import free_ports
from rig.vcenter.inventory import Inventory, Shutdown

USERNAME = "administrator@vsphere.local"


def build() -> Path:
    """Build the simulator, unless it is in the cache already."""
    return golang.build("vcenter", Path(__file__).parent, note="the simulated vCenter, a minute at first")


@dataclass(frozen=True, slots=True)
class Fault:
    """NotAuthenticated, NoPermission, TaskInProgress, InvalidState or SystemError, so often; 0 is always."""

    fault: str
    times: int = 0


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong; ``faults.go`` says more about each. The default is a healthy vCenter."""

    cut_after: int = 0
    cut_times: int = 0
    bytes_per_second: int = 0
    nfc_status: int = 0
    lease_seconds: float = 0
    star_hosts: bool = False
    lease_error_after: int | None = None
    expire_after_calls: int = 0
    login_failures: int = 0
    soap_status: int = 0
    soap_status_times: int = 0
    missing_privileges: tuple[str, ...] = ()
    missing_on: str = ""
    methods: Mapping[str, Fault] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Session:
    """An open session."""

    key: str
    user: str
    calls: int


@dataclass(frozen=True, slots=True)
class Lease:
    """An open lease; its state is initializing or ready."""

    vm: str
    host: str
    state: str
    progress: int


@dataclass(frozen=True, slots=True)
class Machine:
    """A VM as it is now."""

    moref: str
    name: str
    power: str
    host: str
    snapshots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Download:
    """A finished request for a file: of a lease where there is a host, else of a datastore."""

    host: str
    vm: str
    file: str
    range: str
    status: int
    bytes: int


@dataclass(frozen=True, slots=True)
class LeaseEnd:
    """A lease that ended: ``completed``, ``aborted``, ``failed`` or ``session ended``."""

    vm: str
    how: str
    progress: int
    served: int


@dataclass(frozen=True, slots=True)
class PowerChange:
    """A VM that was switched."""

    vm: str
    moref: str
    power: str


@dataclass(frozen=True, slots=True)
class Log:
    """What happened since the start or the last reset.

    Attributes:
        soap: calls by method.
        downloads: finished requests for files.
        streams: downloads under way by host.
        peak_streams: the most at once by host.
        leases: leases that ended.
        power: changes of power.
        bytes: of all disks that leases served, of downloads under way, too.
    """

    soap: Mapping[str, int]
    downloads: tuple[Download, ...]
    streams: Mapping[str, int]
    peak_streams: Mapping[str, int]
    leases: tuple[LeaseEnd, ...]
    power: tuple[PowerChange, ...]
    bytes: int

    @property
    def bytes_served(self) -> int:
        """Bytes of all finished downloads."""
        return sum(download.bytes for download in self.downloads)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A server's certificate: the PEM to trust, its SHA-256, and its SHA-1 as vSphere writes it."""

    ca: str
    fingerprint: str
    thumbprint: str


@dataclass(frozen=True, slots=True)
class VCenter:
    """A running simulator.

    Attributes:
        url: the API's endpoint, ``https://127.0.0.1:port/sdk``.
        username: the only user.
        password: a new one each time.
        control: the tests' own door.
        pid: of its process; 0 where it is one that comes and goes.
    """

    url: str
    username: str
    password: str
    control: str
    pid: int = 0

    @property
    def port(self) -> int:
        """The API's port on 127.0.0.1."""
        return int(self.url.rpartition(":")[2].partition("/")[0])

    @property
    def ca_pem(self) -> str:
        """The certificate to trust: the CA's, or the server's own where it signs itself."""
        return self.certificates()[""].ca

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the server's certificate now, ``AB:CD:...``."""
        return self.certificates()[""].fingerprint

    def certificates(self) -> Mapping[str, Certificate]:
        """The certificates in use now, by ESXi host; vCenter's own under the empty name."""
        return {name: Certificate(**item) for name, item in self._ask("GET", "/endpoints").items()}

    def change_certificate(self, host: str = "") -> None:
        """Give an ESXi host, or vCenter itself, a new certificate for new connections."""
        self._ask("POST", "/certificate", {"host": host})

    def faults(self, **faults: Any) -> None:  # the fields of Faults, which checks them
        """Set what goes wrong from now on, in place of what was set before; nothing named, nothing wrong."""
        self._ask("PUT", "/faults", asdict(Faults(**faults)))

    def expire_sessions(self) -> None:
        """End every session now, and the leases that hang on it."""
        self._ask("POST", "/expire", {})

    def cut(self) -> None:
        """Cut the connections of all downloads under way."""
        self._ask("POST", "/cut", {})

    def time_out_leases(self) -> None:
        """End every lease as if its client had gone silent."""
        self._ask("POST", "/time-out", {})

    def sessions(self) -> Sequence[Session]:
        """The open sessions."""
        return [Session(**item) for item in self._ask("GET", "/sessions")]

    def leases(self) -> Sequence[Lease]:
        """The open leases."""
        return [Lease(**item) for item in self._ask("GET", "/leases")]

    def machines(self) -> Sequence[Machine]:
        """Every VM as it is now, in no order."""
        listed = self._ask("GET", "/vms")
        return [Machine(**{**item, "snapshots": tuple(item["snapshots"])}) for item in listed]

    def machine(self, vm: str) -> Machine:
        """The VM of that name or moref; of VMs with one name, any."""
        for machine in self.machines():
            if vm in (machine.name, machine.moref):
                return machine
        raise LookupError(vm)

    def power(self, vm: str) -> str:
        """``poweredOn``, ``poweredOff`` or ``suspended``."""
        return self.machine(vm).power

    def snapshots(self, vm: str) -> Sequence[str]:
        """The names of a VM's snapshots."""
        return self.machine(vm).snapshots

    def set_shutdown(self, vm: str, shutdown: Shutdown) -> None:
        """Change how a VM's guest answers a request to shut down."""
        self._ask("POST", "/shutdown", {"moref": self.machine(vm).moref, **asdict(shutdown)})

    def guest_wrote(self, vm: str, disk_key: int, start: int, length: int) -> None:
        """Tell changed block tracking that the guest wrote to a disk since the last snapshot."""
        body = {"moref": self.machine(vm).moref, "key": disk_key, "start": start, "length": length}
        self._ask("POST", "/write", body)

    def log(self) -> Log:
        """What happened since the start or the last reset."""
        log = self._ask("GET", "/log")
        return Log(
            soap=log["soap"],
            downloads=tuple(Download(**item) for item in log["downloads"]),
            streams=log["streams"],
            peak_streams=log["peak_streams"],
            leases=tuple(LeaseEnd(**item) for item in log["leases"]),
            power=tuple(PowerChange(**item) for item in log["power"]),
            bytes=log["bytes"],
        )

    def reset_log(self) -> None:
        """Start the log anew."""
        self._ask("DELETE", "/log", {})

    def _ask(self, method: str, path: str, body: object = None) -> Any:  # JSON, checked by the callers
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.control + path, data=data, method=method)  # noqa: S310 - http, ours
        with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310 - likewise
            text = reply.read()
        return json.loads(text) if text else None


@contextlib.contextmanager
def vcenter(inventory: Inventory, *, tls: Literal["ca", "self-signed"] = "ca") -> Iterator[VCenter]:
    """Run a simulated vCenter with that inventory.

    Args:
        inventory: what it holds.
        tls: ``ca`` where a private CA issues the certificates, ``self-signed`` where each signs itself.
    """
    password = secrets.token_urlsafe(12)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(asdict(inventory), file, default=_path)
        file.flush()
        command = [str(build()), "-inventory", file.name, "-username", USERNAME, "-password", password]
        if tls == "self-signed":
            command.append("-self-signed")
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("the simulated vCenter did not start; it says why on standard error")
            ready = json.loads(line)
            try:
                yield VCenter(ready["sdk"], USERNAME, password, ready["control"], process.pid)
            finally:
                process.stdin.close()  # it ends with its standard input


class MortalVCenter:
    """A simulated vCenter that can be killed and started again at the same address.

    What a vCenter keeps stays: its address, the authority of its certificates, its VMs and their power. Its sessions,
    leases, faults and log are gone.

    Attributes:
        vc: the way in, whether it runs or not.
    """

    def __init__(self, inventory: Inventory, folder: Path) -> None:
        sdk, control = free_ports(2)
        self.vc = VCenter(
            f"https://127.0.0.1:{sdk}/sdk", USERNAME, secrets.token_urlsafe(12), f"http://127.0.0.1:{control}"
        )
        (folder / "memory").mkdir(parents=True)
        (folder / "inventory.json").write_text(json.dumps(asdict(inventory), default=_path), encoding="utf-8")
        self._command = [str(build()), "-inventory", str(folder / "inventory.json"), "-username", USERNAME]
        self._command += ["-password", self.vc.password, "-memory", str(folder / "memory")]
        self._command += ["-port", str(sdk), "-control-port", str(control)]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens. Raises RuntimeError where it does not."""
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError("the simulated vCenter did not start; it says why on standard error")

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _path(value: object) -> str:
    if isinstance(value, Path):
        return str(value.absolute())
    raise TypeError(type(value).__name__)
