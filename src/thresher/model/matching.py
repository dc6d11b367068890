"""Which row of a network mapping belongs to a network: one answer, for preflight and translation alike."""

import re
from collections.abc import Sequence

from thresher.model.spec import NetworkMapping
from thresher.model.vm import Network

_ESCAPES = {"%2f": "/", "%5c": "\\", "%25": "%"}
"""vSphere escapes these three characters in names (vSphere Web Services API, ``ManagedEntity.name``)."""


def match_network(mapping: Sequence[NetworkMapping], network: Network | None) -> NetworkMapping | None:
    """The row that maps ``network``, or None.

    A row may name a network by its id, by its full path (``DSwitch/pg``) or by its name, with ``/`` escaped
    as vSphere does or not. The most exact kind of name wins, and among equals the row written first, so that
    a NIC is never mapped twice.
    """
    if network is None:
        return None
    for name in (network.id, network.path, network.name):
        wanted = unescape(name)
        for row in mapping:
            if wanted and unescape(row.source) == wanted:
                return row
    return None


def unescape(name: str) -> str:
    """Undo vSphere's escapes in a name: ``a%2fb`` becomes ``a/b``."""
    return re.sub(r"%(?:2f|5c|25)", lambda found: _ESCAPES[found[0].lower()], name, flags=re.IGNORECASE)
