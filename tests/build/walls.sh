#!/usr/bin/env bash
# The rules of docs/architecture.md that a machine can check.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

failed=0
# rule "what must not be" command...: fails if the command prints anything.
rule() {
    local title=$1 found
    shift
    found=$("$@" || true)
    [ -z "$found" ] && return 0
    printf '%s:\n%s\n\n' "$title" "$found"
    failed=1
}

# sources PATTERN...: files of the project that match, also those not committed yet.
sources() { git ls-files --cached --others --exclude-standard -- "$@"; }
lines_with() { local pattern=$1; shift; sources "$@" | xargs -r -d '\n' grep -nHE "$pattern" --; }
public_headers() { sources 'engine/**/*.h' 'engine/*.h' | grep -v '_p\.h$'; }

hidden='#include [<"](torch|ATen|c10|sentencepiece|nlohmann|unicode|hwy|cuda_runtime)'
too_long() { sources '*.cpp' '*.h' '*.cu' '*.cuh' | xargs -r -d '\n' wc -l | awk '$2 != "total" && $1 > 500 { print $2 ": " $1 " lines" }'; }
# CLI11 is the programs' own; JSON they may write. Everything else of the engine's insides stays there.
behind_the_headers() { public_headers | xargs -r -d '\n' grep -nHE "$hidden|#include \"[^\"]*_p\.h\"" --; }
torch_above() { lines_with '#include [<"](torch|ATen|c10|sentencepiece|unicode|hwy|cuda_runtime)' 'ui/**' 'app/**'; }
private_above() { lines_with '#include "engine/[^"]*_p\.h"' 'ui/**' 'app/**'; }
# Written in two halves, so that this file does not find itself.
hosts() { lines_with "(py""pi\.org|python""hosted|deb\.deb""ian|snapshot\.deb""ian|conda\.ana""conda|pytorch\.org/""whl)" '*'; }

rule "Qt in the engine" lines_with '#include <(Q[A-Z]|qcustomplot)' 'engine/**'
rule "the engine looks up at the window or the programs" lines_with '#include "(ui|app)/' 'engine/**'
rule "the window looks up at the programs" lines_with '#include "app/' 'ui/**'
rule "a public header of the engine shows what lies behind it" behind_the_headers
rule "the engine's insides in the window or the programs" torch_above
rule "a private header of the engine in the window or the programs" private_above
rule "JSON in the window" lines_with '#include [<"]nlohmann' 'ui/**'
rule "a file of more than 500 lines, perhaps two ideas" too_long
rule "a package registry's host" hosts
rule "-march=native" lines_with '[-]march=native' 'CMakeLists.txt' '**/CMakeLists.txt' 'cmake/**' 'CMakePresets.json'
exit "$failed"
