"""Manifests as text."""

from collections.abc import Sequence

import yaml

from thresher.targets.manifests.values import Manifest


def to_yaml(objects: Sequence[Manifest]) -> str:
    """Kubernetes objects as one YAML stream, in the order given, which is the order to apply them in."""
    return yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, allow_unicode=True, explicit_start=True, width=100)


class _Dumper(yaml.SafeDumper):
    """Writes a value that stands twice twice: ``*id001`` is YAML, but nothing that people like to read."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's hook
        return True
