"""nginx on loopback, with and without TLS: the server that costs least, so that a benchmark measures its clients."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import trustme

from rig.disks import command_path
from rig.kube.process import free_ports

_CONFIG = """
daemon off; master_process off; pid {work}/pid; error_log stderr crit;
events {{ worker_connections 64; }}
http {{
  log_format sent '$bytes_sent'; access_log {work}/sent sent; sendfile on; tcp_nopush on;
  client_body_temp_path {work}; proxy_temp_path {work}; fastcgi_temp_path {work};
  uwsgi_temp_path {work}; scgi_temp_path {work};
  server {{ listen 127.0.0.1:{port}; root {folder}; }}
  server {{
    listen 127.0.0.1:{tls_port} ssl; root {folder};
    ssl_certificate {work}/server.pem; ssl_certificate_key {work}/server.pem;
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A running server.

    Attributes:
        http: the URL in front of the files' names.
        https: the same with TLS.
        ca: a file with the certificate to trust, PEM.
        pid: its process.
    """

    http: str
    https: str
    ca: Path
    pid: int

    def sent(self) -> int:
        """The bytes of all answers that have ended, heads included."""
        return sum(int(line) for line in (self.ca.parent / "sent").read_text().split())


@contextmanager
def serve(folder: Path) -> Iterator[Site]:
    """Serve the files of ``folder``."""
    with TemporaryDirectory() as name:
        work = Path(name)
        ca = _certify(work)
        port, tls_port = free_ports(2)
        config = work / "nginx.conf"
        config.write_text(_CONFIG.format(work=work, port=port, tls_port=tls_port, folder=folder))
        command = [command_path("nginx"), "-e", "stderr", "-p", name, "-c", str(config)]
        server = subprocess.Popen(command)
        try:
            _wait(port, server)
            yield Site(f"http://127.0.0.1:{port}/", f"https://127.0.0.1:{tls_port}/", ca, server.pid)
        finally:
            server.terminate()
            server.wait()


def _certify(work: Path) -> Path:
    """Make the server's certificate and key; the file of the authority that signed it."""
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(work / "server.pem"))
    authority.cert_pem.write_to_path(str(work / "ca.pem"))
    return work / "ca.pem"


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    """Return once the server accepts connections."""
    while True:
        assert server.poll() is None, "nginx did not start; its reason stands above"
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
