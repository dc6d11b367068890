"""Writes the CRDs from the models of the kinds: to deploy/crds/, and to the chart."""

from pathlib import Path

from thresher.api.crd import files

DEPLOY = Path(__file__).parents[1] / "deploy"
FOLDERS = (DEPLOY / "crds", DEPLOY / "chart" / "crds")

if __name__ == "__main__":
    for folder in FOLDERS:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files().items():
            (folder / name).write_text(text, encoding="utf-8")
            print(f"wrote {folder / name}")
