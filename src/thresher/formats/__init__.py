"""Sans-IO parsers: bytes in, events out. Any garbage ends in the format's error, never in anything else."""
