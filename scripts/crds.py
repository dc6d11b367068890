"""Writes deploy/crds/ from the models of the kinds."""

from pathlib import Path

from thresher.api.crd import files

FOLDER = Path(__file__).parents[1] / "deploy" / "crds"

if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"wrote {FOLDER / name}")
