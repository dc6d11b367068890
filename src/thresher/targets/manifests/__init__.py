"""The translation of a source VM into what Harvester gets. Purely computational: no I/O and no clock.

:func:`virtual_machine`, :func:`image` and :func:`volume_claim_templates` make plain dicts; :func:`findings`
says what they cannot carry over. Every decision stands once, in :mod:`thresher.targets.manifests.plan`.

Sources: harvester/vm-import-controller (pkg/source), harvester/harvester-ui-extension (pkg/harvester/mixins/
harvester-vm), the webhooks of harvester/harvester, and KubeVirt's API reference.
"""

from thresher.targets.manifests.findings import findings
from thresher.targets.manifests.images import claim_name, image, is_blank, volume, volume_claim_templates
from thresher.targets.manifests.machine import virtual_machine
from thresher.targets.manifests.stream import to_yaml
from thresher.targets.manifests.values import JSON, Backend, Download, ImageRef, Manifest

__all__ = [
    "JSON",
    "Backend",
    "Download",
    "ImageRef",
    "Manifest",
    "claim_name",
    "findings",
    "image",
    "is_blank",
    "to_yaml",
    "virtual_machine",
    "volume",
    "volume_claim_templates",
]
