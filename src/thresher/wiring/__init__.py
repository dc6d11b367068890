"""The composition root: the only room that knows which adapter serves which kind.

One file for each thing that is put together, so that a command loads no more than it needs.
"""
