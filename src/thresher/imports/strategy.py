"""Whether the new VM is to be started. Purely computational."""

from thresher.model.spec import ImportSpec, RunStrategy
from thresher.model.vm import PowerState


def effective_run_strategy(spec: ImportSpec, power_when_found: PowerState | None, *, always_off: bool) -> RunStrategy:
    """Decide how the new VM is run.

    What the spec says wins. Else a VM that was off stays off, and any other is run. A VM from a source
    without power states (an OVA) is run: it is "off" only because a file cannot be anything else.

    Args:
        spec: the import.
        power_when_found: the source VM's power state before anything was touched; None where it has none.
        always_off: whether the source has no power states.
    """
    if spec.run_strategy is not None:
        return spec.run_strategy
    was_off = power_when_found is PowerState.OFF and not always_off
    return RunStrategy.HALTED if was_off else RunStrategy.RERUN_ON_FAILURE


def shall_run(strategy: RunStrategy) -> bool:
    """Whether an import under ``strategy`` is finished only when the new VM runs; else once it exists."""
    return strategy in (RunStrategy.ALWAYS, RunStrategy.RERUN_ON_FAILURE)
