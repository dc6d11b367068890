"""The data plane: what a source sends becomes extents, inflated, written sparse, kept in a ledger."""
