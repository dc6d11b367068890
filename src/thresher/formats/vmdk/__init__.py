"""The stream-optimized VMDK: a sans-IO parser and a writer.

Source: VMware, *Virtual Disk Format 5.0*, "Stream-Optimized Compressed Sparse Extents".
"""

from thresher.formats.vmdk.header import MAX_CAPACITY, SparseHeader
from thresher.formats.vmdk.stream import Checkpoint, Grain, ResumeImpossible, StreamEnd, StreamVmdkParser
from thresher.formats.vmdk.writer import write_stream

__all__ = [
    "MAX_CAPACITY",
    "Checkpoint",
    "Grain",
    "ResumeImpossible",
    "SparseHeader",
    "StreamEnd",
    "StreamVmdkParser",
    "write_stream",
]
