"""The manifests that import the sample VM: what a user of a cluster would write."""

import json

from thresher.api.common import API_VERSION

_TEMPLATE = """\
apiVersion: {api}
kind: OvaSource
metadata:
  name: {name}
  namespace: {namespace}
spec:
  url: {url}
---
apiVersion: {api}
kind: VirtualMachineImport
metadata:
  name: {name}
  namespace: {namespace}
spec:
  virtualMachineName: {vm}
  sourceCluster:
    apiVersion: {api}
    kind: OvaSource
    name: {name}
    namespace: {namespace}
"""


def sample_manifests(url: str, vm_name: str, *, name: str = "demo", namespace: str = "default") -> str:
    """Write the YAML that imports the VM ``vm_name`` of the OVA at ``url``.

    Its one NIC has no mapping, so it goes to the management network.
    """
    # JSON strings are YAML strings, whatever is in them.
    return _TEMPLATE.format(
        api=API_VERSION, url=json.dumps(url), vm=json.dumps(vm_name), name=name, namespace=namespace
    )
