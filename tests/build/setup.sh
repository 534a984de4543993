#!/usr/bin/env bash
# scripts/setup as far as it goes without the network: what is missing is listed, what is damaged is refused.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { printf 'failed: %s\n' "$1"; exit 1; }
# expect NAME TEXT PATTERN
expect() { [[ $2 == *$3* ]] || fail "$1: expected \"$3\" in: $2"; }

# Nothing in the cache: --check lists it, changes nothing, and says no with its exit code.
status=0
output=$(XDG_CACHE_HOME=$work/empty scripts/setup --check 2>&1) || status=$?
[ "$status" -eq 1 ] || fail "--check of an empty cache: exit code $status"
expect "empty cache" "$output" "missing: LibTorch"
expect "empty cache" "$output" "missing: SentencePiece"
[ ! -e "$work/empty" ] || fail "--check wrote to the cache"

status=0
output=$(scripts/setup --no-such-option 2>&1) || status=$?
[ "$status" -eq 1 ] || fail "an unknown option: exit code $status"
expect "unknown option" "$output" "unknown option --no-such-option"

# A download that is not what was pinned.
printf 'not a wheel' >"$work/torch.whl"
status=0
output=$(
    set -euo pipefail
    source scripts/lib/common.sh
    source scripts/lib/fetch.sh
    check_sha256 "$work/torch.whl" 0123 2>&1
) || status=$?
[ "$status" -ne 0 ] || fail "a damaged download was taken"
expect "damaged download" "$output" "torch.whl is not the file expected (SHA-256 expected 0123, found "
expect "damaged download" "$output" "hint: "

# What depends on the network is tried again, and no more often than said.
output=$(
    set -euo pipefail
    source scripts/lib/common.sh
    sleep() { :; }
    third_time() { echo x >>"$work/tries"; [ "$(wc -l <"$work/tries")" -eq 3 ]; }
    retry 5 third_time 2>&1
    wc -l <"$work/tries"
)
expect "retry" "$output" "try 2 of 5 failed"
expect "retry" "$(tail -n 1 <<<"$output")" 3

# Only what was asked for leaves a wheel, and nothing leaves the folder.
python3 - "$work" <<'PYTHON'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1] + "/some.whl", "w") as wheel:
    wheel.writestr("torch/lib/liba.so", "a")
    wheel.writestr("torch/lib/libpython.so", "b")
    wheel.writestr("torch/test/c", "c")
    wheel.writestr("../torch/lib/escaped.so", "d")
PYTHON
python3 scripts/lib/unpack_wheel.py "$work/some.whl" "$work/tree/deep" 'torch/lib/*' '*.so' '!torch/lib/libpython.so'
output=$(cd "$work" && find . -name "*.so")
[ "$output" = ./tree/deep/torch/lib/liba.so ] || fail "unpacking: $output"
echo "scripts/setup: all as expected"
