"""The rules that a VM is judged by, for plans and for an import's preflight alike."""

from thresher.plan.rules.engine import examine, notes
from thresher.plan.rules.machine import machine_findings

__all__ = ["examine", "machine_findings", "notes"]
