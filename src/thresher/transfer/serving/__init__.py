"""Serves the finished RAW files of one import to Harvester, under a path that nobody can guess, and nothing else.

Longhorn's backing-image-manager reads with Go's default client: a HEAD, then one GET of everything, which asks for
gzip by itself and unpacks it by itself. KubeVirt's importer reads with Range. Both are answered from sparse files.
"""

from thresher.transfer.serving.limits import Limits
from thresher.transfer.serving.server import DiskServer

__all__ = ["DiskServer", "Limits"]
