#!/usr/bin/env bash
# Runs every target of fuzz/ for FUZZ_SECONDS each. What they find interesting is kept under FUZZ_CORPUS, by default in
# the user's cache folder, where it outlives clones and goes on growing; it begins with the seeds of rig/corpora.py.
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH=.  # targets share helpers of rig/
export PATH=$PWD/.venv/bin:$PATH  # to merge, libFuzzer starts the target by its name, as a program
seconds=${FUZZ_SECONDS:-60}
corpora=${FUZZ_CORPUS:-${XDG_CACHE_HOME:-$HOME/.cache}/thresher/fuzz}
mkdir -p "$corpora"
.venv/bin/python -m rig.corpora "$corpora"
for target in fuzz/fuzz_*.py; do
  name=$(basename "$target" .py)
  corpus=$corpora/${name#fuzz_}
  mkdir -p "$corpus.new" "$corpus"
  printf '\033[1m==>\033[0m %s for %s s, from %s inputs\n' "$name" "$seconds" "$(find "$corpus" -type f | wc -l)"
  # what it finds on the way stays apart: the corpus is merged below, and so stays small
  .venv/bin/python "$target" "$corpus.new" "$corpus" -max_total_time="$seconds" -max_len=200000 -timeout=20 \
    -rss_limit_mb=2048 -artifact_prefix="$corpora/crash-${name#fuzz_}-" -verbosity=0 -print_final_stats=1
  before=$(find "$corpus" -type f | wc -l)
  "$target" "$corpus" "$corpus.new" -merge=1 -verbosity=0 2>"$corpora/merge.log" || { cat "$corpora/merge.log"; exit 1; }
  printf '    %s inputs more are kept in %s\n' "$(($(find "$corpus" -type f | wc -l) - before))" "$corpus"
  rm -r "$corpus.new"
done
