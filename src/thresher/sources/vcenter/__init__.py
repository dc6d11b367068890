"""vCenter, or a standalone ESXi host, as a source: through the vSphere Web Services API."""
