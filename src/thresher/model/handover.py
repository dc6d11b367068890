"""What operator and worker write for each other, beside the report: keys of the ConfigMap, words and annotations."""

REPORT, COMMAND, BANDWIDTH = "report", "command", "bandwidth"
"""Keys: the worker's report; what it is told; and bytes a second that it may use, as a quantity, or "" for no limit."""
STOP = "stop"
"""The command that ends a worker: the images are in, or the import is cancelled."""
FINGERPRINT = "thresher.harvesterhci.io/fingerprint"
"""Our annotation on the worker's copy of a source: the certificate that is pinned in its status."""
