"""Makes the sample VM of the demo and the tests: a disk that boots, packed as an OVA."""
