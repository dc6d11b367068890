"""The stream-optimized VMDK: a sans-IO parser and a writer; and the descriptor of a split one.

Source: VMware, *Virtual Disk Format 5.0*, "Stream-Optimized Compressed Sparse Extents".
"""

from thresher.formats.vmdk.descriptor import FLAT_TYPES, SPARSE_TYPES, DescriptorExtent, parse_extents
from thresher.formats.vmdk.header import MAX_CAPACITY, SparseHeader
from thresher.formats.vmdk.stream import Checkpoint, Grain, ResumeImpossible, StreamEnd, StreamVmdkParser
from thresher.formats.vmdk.writer import write_stream

__all__ = [
    "FLAT_TYPES",
    "MAX_CAPACITY",
    "SPARSE_TYPES",
    "Checkpoint",
    "DescriptorExtent",
    "Grain",
    "ResumeImpossible",
    "SparseHeader",
    "StreamEnd",
    "StreamVmdkParser",
    "parse_extents",
    "write_stream",
]
