"""Draws docs/import-phases.md from the table of phases."""

from pathlib import Path

from thresher.imports.phases import document

DOCUMENT = Path(__file__).parents[1] / "docs" / "import-phases.md"

if __name__ == "__main__":
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(document(), encoding="utf-8")
    print(f"wrote {DOCUMENT}")
