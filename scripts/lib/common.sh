# Shared by the scripts in this folder's parent: where things are, and how a step reports itself.
# Sourced, not run; the caller has set -euo pipefail.
shopt -s inherit_errexit

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/flextron

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $1"; [ -z "${2:-}" ] || say "hint: $2"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# step "What it does" command args...: runs the command and says how long it took. (No "if" or "||" around the command:
# bash would then go on after an error inside it.)
step() {
    local title=$1 start=$SECONDS
    shift
    say "== $title"
    "$@"
    say "== $title: done in $((SECONDS - start)) s"
}

# retry N command args...: for what depends on the network; waits 2, 4, 8, ... seconds between the tries.
retry() {
    local tries=$1 wait=2 try
    shift
    for ((try = 1; try <= tries; try++)); do
        if "$@"; then return 0; fi
        [ "$try" -lt "$tries" ] || break
        say "   try $try of $tries failed; again in $wait s"
        sleep "$wait"
        wait=$((wait * 2))
    done
    return 1
}

# Parallel compilers: a LibTorch translation unit needs up to 2.5 GB, so memory bounds them as well as cores.
jobs() {
    local cores memory
    cores=$(nproc)
    memory=$(awk '/MemAvailable/ { print int($2 / 2500000) }' /proc/meminfo)
    [ "$memory" -ge 1 ] || memory=1
    echo $((cores < memory ? cores : memory))
}
