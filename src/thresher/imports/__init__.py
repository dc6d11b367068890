"""The state machine of an import: observe, decide, act."""
