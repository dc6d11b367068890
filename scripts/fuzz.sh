#!/usr/bin/env bash
# Runs every target of fuzz/ for FUZZ_SECONDS each, from the corpus that it keeps under fuzz/corpus/<target>/.
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH=.  # targets share helpers of rig/
seconds=${FUZZ_SECONDS:-60}
.venv/bin/python -m rig.corpora fuzz/corpus
for target in fuzz/fuzz_*.py; do
  name=$(basename "$target" .py)
  corpus=fuzz/corpus/${name#fuzz_}
  mkdir -p "$corpus.new" "$corpus"
  printf '\033[1m==>\033[0m %s for %s s\n' "$name" "$seconds"
  # what it finds on the way stays apart: the corpus is merged below, and so stays small
  .venv/bin/python "$target" "$corpus.new" "$corpus" -max_total_time="$seconds" -max_len=200000 -timeout=20 \
    -rss_limit_mb=2048 -artifact_prefix="fuzz/corpus/crash-${name#fuzz_}-" -verbosity=0 -print_final_stats=1
  .venv/bin/python "$target" "$corpus" "$corpus.new" -merge=1 -verbosity=0 2>/dev/null
  rm -r "$corpus.new"
done
