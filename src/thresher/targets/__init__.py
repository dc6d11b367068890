"""Adapters to the places VMs go to, and the pure translation of a source VM into manifests."""
