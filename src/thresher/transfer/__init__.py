"""The data plane: what a source sends becomes extents, inflated, written sparse, and remembered in a ledger."""
