"""The processes: the broker and what runs in OpenStack's virtual environment."""

import os
import signal
import socket
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from rig.disks import require
from rig.kube.process import Server
from rig.openstack.environment import INSIDE
from rig.openstack.settings import Ports

READY_S = 480
"""Starting takes a minute; a machine that is busy with many other things, several."""
_POLL_S = 0.1
_RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"
"""Debian's script proper; the one on the PATH would change to the user of the system's service."""


class Services:
    """Every process of one cloud, in one folder with settings."""

    def __init__(self, folder: Path, ports: Ports, environment: Path) -> None:
        self._folder = folder
        self._ports = ports
        self._python = str(environment / "bin" / "python")
        self._variables = variables(folder, environment)
        self.servers: dict[str, Server] = {}

    def start(self) -> None:
        """Start all side by side, and wait until each listens.

        Raises:
            RuntimeError: one ended, or took too long; with the end of its log.
        """
        ports = self._ports
        self._broker()
        etc = self._folder / "etc"
        self._launch("keystone", "wsgi", "keystone.wsgi.api", ports.keystone)
        self._launch("glance", "wsgi", "glance.wsgi.api", ports.glance)
        self._launch("placement", "wsgi", "placement.wsgi.api", ports.placement)
        self._launch("neutron", "neutron", "neutron.wsgi.api", ports.neutron)
        self._launch("cinder-api", "cinder_api", "cinder.wsgi.api", ports.cinder, etc / "cinder.conf")
        self._launch("nova-api", "wsgi", "nova.wsgi.osapi_compute", ports.nova)
        self._launch("cinder", "cinder", etc / "cinder.conf", ports.broker)
        self._launch("nova", "nova", etc / "nova.conf", ports.broker)
        self._launch(
            "nova-compute", "compute", etc / "nova.conf", ports.broker, ports.keystone, ports.placement, ports.neutron
        )
        self.wait_for(
            (ports.keystone, ports.glance, ports.placement, ports.neutron, ports.cinder, ports.nova, ports.broker)
        )

    def stop(self) -> None:
        """Kill every process, and wait until each is gone."""
        for server in reversed(self.servers.values()):
            server.stop(signal.SIGKILL)

    def wait_for(self, ports: Iterable[int]) -> None:
        """Wait until somebody listens on each of these ports."""
        deadline = time.monotonic() + READY_S
        for port in ports:
            while not _listens(port):
                self.check(deadline, f"nobody listens on port {port}")
                time.sleep(_POLL_S)

    def check(self, deadline: float, what: str) -> None:
        """Fail where a process ended, or the deadline is over."""
        for name, server in self.servers.items():
            if server.pid is None:
                raise RuntimeError(f"{name} of the OpenStack rig ended:\n{server.last_words()}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"the OpenStack rig did not become ready ({what}); its logs are in {self._folder}/log")

    def _launch(self, name: str, *words: object) -> None:
        self._run(name, [self._python, str(INSIDE / "rig_launch.py"), *map(str, words)])

    def _run(self, name: str, command: Sequence[str], **more: str) -> None:
        assignments = [f"{key}={value}" for key, value in {**self._variables, **more}.items()]
        server = Server(["env", *assignments, *command], self._folder / "log" / f"{name}.log")
        server.start()
        self.servers[name] = server

    def _broker(self) -> None:
        """A RabbitMQ node of our own, with its own port mapper: nothing of the system's service is touched."""
        require("rabbitmq-server", "epmd")
        folder, ports = self._folder / "broker", self._ports
        variables = {
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(ports.epmd),
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"rig{ports.broker}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(ports.broker),
            "RABBITMQ_DIST_PORT": str(ports.broker_nodes),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RUNNING_UNDER_SYSTEMD": "true",  # one process instead of a shell that waits for another
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none",
        }
        self._run("epmd", ["epmd"], **variables)  # in the foreground, as nobody says -daemon
        self.wait_for([ports.epmd])
        self._run("broker", [_RABBITMQ], **variables)


def variables(folder: Path, environment: Path) -> dict[str, str]:
    """What the services and their tools find in their environment."""
    etc = str(folder / "etc")
    return {
        "PATH": f"{INSIDE}/bin:{environment}/bin:{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin",
        "PYTHONPATH": f"{INSIDE}:{folder / 'plugins'}",
        "PYTHONWARNINGS": "ignore",
        "PYTHONDONTWRITEBYTECODE": "1",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "OS_KEYSTONE_CONFIG_DIR": etc,
        "OS_GLANCE_CONFIG_DIR": etc,
        "OS_PLACEMENT_CONFIG_DIR": etc,
        "OS_NEUTRON_CONFIG_DIR": etc,
        "OS_NEUTRON_CONFIG_FILES": "neutron.conf",
        "OS_NOVA_CONFIG_DIR": etc,
        "OS_NOVA_CONFIG_FILES": "nova-api-paste.ini;nova.conf",  # in this order: the later file wins
        "OS_NOVA_DISABLE_EVENTLET_PATCHING": "1",
        "no_proxy": "127.0.0.1,localhost",
        "NO_PROXY": "127.0.0.1,localhost",
    }


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
