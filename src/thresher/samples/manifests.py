"""The manifests that import the sample VM: what a user of a cluster would write."""

import json

from thresher.api.common import API_VERSION
from thresher.samples.ovf import NETWORK

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
  networkMapping:
    - sourceNetwork: {network}
      destinationNetwork: {namespace}/vlan1
  sourceCluster:
    apiVersion: {api}
    kind: OvaSource
    name: {name}
    namespace: {namespace}
"""


def sample_manifests(url: str, vm_name: str, *, name: str = "demo", namespace: str = "default") -> str:
    """Write the YAML that imports the VM ``vm_name`` of the OVA at ``url``.

    Its one NIC is mapped to a VLAN network, as in most clusters; one without a mapping would go to the
    management network, with a warning.
    """
    # JSON strings are YAML strings, whatever is in them.
    return _TEMPLATE.format(
        api=API_VERSION,
        url=json.dumps(url),
        vm=json.dumps(vm_name),
        network=json.dumps(NETWORK),
        name=name,
        namespace=namespace,
    )
