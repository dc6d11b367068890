"""An OVA is an OVF package as a tar archive (DSP0243, Open Virtualization Format, clause "OVF package").

Feed :class:`OvaReader` the archive's bytes, in pieces of any size; it answers with events. Nothing is stored.
"""

from thresher.formats.ova.events import EndOfArchive, Event, Member, MemberData, MemberEnd
from thresher.formats.ova.reader import MAX_MEMBERS, OvaReader

__all__ = ["MAX_MEMBERS", "EndOfArchive", "Event", "Member", "MemberData", "MemberEnd", "OvaReader"]
