"""Where bytes come from: files, standard input, HTTP(S), and what is put together from those.

Every class here is a :class:`thresher.ports.ByteSource`; a :class:`Regional` one can be read in part.
"""

from thresher.sources.bytes.access import HttpAccess
from thresher.sources.bytes.file import LocalFile, StdinBytes
from thresher.sources.bytes.http import HttpFile
from thresher.sources.bytes.reading import Regional, read_up_to
from thresher.sources.bytes.wrap import Concatenated, Gunzip, Verified

__all__ = [
    "Concatenated",
    "Gunzip",
    "HttpAccess",
    "HttpFile",
    "LocalFile",
    "Regional",
    "StdinBytes",
    "Verified",
    "read_up_to",
]
