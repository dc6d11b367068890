"""nginx on loopback: the server that costs least, so that a benchmark measures what reads from it."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rig.disks import command_path

_CONFIG = """
daemon off; master_process off; pid {work}/pid; error_log stderr crit;
events {{ worker_connections 64; }}
http {{
  access_log off; sendfile on; tcp_nopush on;
  client_body_temp_path {work}; proxy_temp_path {work}; fastcgi_temp_path {work};
  uwsgi_temp_path {work}; scgi_temp_path {work};
  server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve the files of ``folder``; yields the URL in front of their names."""
    with socket.socket() as free, TemporaryDirectory() as work:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        config = Path(work) / "nginx.conf"
        config.write_text(_CONFIG.format(work=work, port=port, folder=folder))
        command = [command_path("nginx"), "-e", "stderr", "-p", work, "-c", str(config)]
        server = subprocess.Popen(command)
        try:
            _wait(port, server)
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()
            server.wait()


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
