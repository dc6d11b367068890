"""How a plan's figures are written for people."""

from thresher.plan.catalogue import Language

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def duration(seconds: float, language: Language = Language.ENGLISH) -> str:
    """A duration to two parts: ``3 h 5 min``."""
    units = ("일", "시간", "분", "초") if language is Language.KOREAN else (" d", " h", " min", " s")
    left = round(seconds)
    if left >= _MINUTE:
        left = round(left / _MINUTE) * _MINUTE if left >= _HOUR else left
    parts = []
    for size, unit in zip((_DAY, _HOUR, _MINUTE, 1), units, strict=True):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or f"0{units[-1]}"
