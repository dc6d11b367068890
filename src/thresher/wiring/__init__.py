"""The composition root: the only room that knows which adapter serves which kind.

It imports nothing by itself: converting a disk needs no manifests, and what reads those takes a while to load.
"""
