"""Adapters to the places VMs come from. They return facts, never phases."""
