"""OVF descriptors: bytes in, source VMs out. Purely computational; any garbage ends in OvfError.

The format is DMTF's DSP0243 (OVF 1.x and 2.x), its quantities DSP0004's, its hardware items CIM's
ResourceAllocationSettingData. What the platforms make of it is said where it is read.
"""

from thresher.formats.ovf.package import OvfPackage, parse_ovf
from thresher.formats.ovf.references import OvfFile
from thresher.formats.ovf.xml import MAX_OVF_BYTES

__all__ = ["MAX_OVF_BYTES", "OvfFile", "OvfPackage", "parse_ovf"]
