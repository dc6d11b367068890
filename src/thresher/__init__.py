"""Thresher imports virtual machines from vCenter, OpenStack and OVA files into Harvester."""

__version__ = "0.1.0"
