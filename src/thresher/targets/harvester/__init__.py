"""Harvester's objects: what is applied, and what is seen of them. The translation is in ``targets.manifests``."""
