"""Frozen values that every other room shares. Purely computational: no I/O, no clock, no third-party code."""
