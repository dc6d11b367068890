"""One engine: what the source found, what the translation finds, and what the rules of this package find."""

from thresher.model.spec import ImportSpec
from thresher.model.vm import Loss, SourceVM
from thresher.plan.rules.advice import ADVICE
from thresher.plan.rules.machine import machine_findings
from thresher.targets.manifests import findings


def examine(spec: ImportSpec, vm: SourceVM) -> tuple[Loss, ...]:
    """Every finding on one VM that needs no look at the cluster or at other VMs, each once."""
    return tuple(dict.fromkeys((*vm.losses, *findings(spec, vm), *machine_findings(spec, vm))))


def notes(spec: ImportSpec, vm: SourceVM) -> tuple[Loss, ...]:
    """What is good to know and changes no verdict: for a plan only. Their severity has no meaning."""
    return tuple(note for advise in ADVICE for note in advise(spec, vm))
