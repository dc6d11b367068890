"""Writes docs/rules.md from the rules and their catalogue."""

from pathlib import Path

from thresher.plan.rules.registry import document

DOCUMENT = Path(__file__).parents[1] / "docs" / "rules.md"

if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
    print(f"wrote {DOCUMENT}")
