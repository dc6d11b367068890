"""The Helm chart rendered by the real helm; run as a program, it writes the plain manifests."""

import os
import subprocess
import tempfile
from pathlib import Path

from rig.kube import binaries

DEPLOY = Path(__file__).parent.parent / "deploy"
CHART = DEPLOY / "chart"
MANIFESTS = DEPLOY / "manifests.yaml"
NAMESPACE = "thresher-system"
"""Where the plain manifests put the operator."""

_HEAD = f"""\
# Made of deploy/chart by `make manifests`: do not edit. docs/install.md says how to use it.
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""


def helm(*args: str) -> subprocess.CompletedProcess[str]:
    """Run helm far from any cluster; look at ``returncode``."""
    with tempfile.TemporaryDirectory(prefix="thresher-helm-") as home:
        env = os.environ | {"HOME": home, "KUBECONFIG": "/dev/null"}
        program = str(binaries.helm())
        return subprocess.run([program, *args], capture_output=True, text=True, check=False, env=env)


def template(*args: str, namespace: str = NAMESPACE) -> subprocess.CompletedProcess[str]:
    """``helm template`` of the chart for the Kubernetes of the rig; look at ``returncode``."""
    version = ["--kube-version", binaries.kubernetes_version()]
    return helm("template", "thresher", str(CHART), "--namespace", namespace, *version, *args)


def manifests() -> str:
    """The chart with its default values, and what Helm would have made beside it."""
    done = template("--include-crds")
    if done.returncode:
        raise RuntimeError(f"helm cannot render {CHART}: {done.stderr}")
    return _HEAD + done.stdout


if __name__ == "__main__":
    MANIFESTS.write_text(manifests(), encoding="utf-8")
    print(f"wrote {MANIFESTS}")
