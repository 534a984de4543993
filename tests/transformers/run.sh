#!/usr/bin/env bash
# Runs check.py with a Python that has transformers and torch: the one of `scripts/setup --transformers`, or the system's.
# Exit code 77 (CTest: skipped), with the reason, where there is none.
#   run.sh FLEXTRON MODEL TEXT
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
# CTest's private home has a cache of its own; what set-up installed lies in the user's.
[ -z "${FLEXTRON_USER_CACHE:-}" ] || export XDG_CACHE_HOME=$FLEXTRON_USER_CACHE
source "$root/scripts/lib/common.sh"
source "$root/scripts/lib/pins.sh"
source "$root/scripts/lib/transformers.sh"
if transformers_ready; then
    use_transformers
elif ! python3 -c 'import torch, transformers' 2>/dev/null; then
    echo "skipped: Hugging Face transformers is not installed (scripts/setup --transformers installs it)"
    exit 77
fi
exec python3 "$here/check.py" "$@"
