"""VMs in OVF packages (DSP0243): an ``.ova`` archive, or an ``.ovf`` with its files beside it; here or on the web."""

from thresher.sources.ova.source import OvaSource

__all__ = ["OvaSource"]
