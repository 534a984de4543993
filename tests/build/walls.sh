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

# sources FOLDER NAME...: the project's files in a folder whose name matches one of the patterns. (Not asked of git, which
# refuses to answer in a clone that belongs to somebody else, and knows nothing in an unpacked archive.)
sources() {
    local folder=$1 names=() name
    shift
    for name in "$@"; do names+=(-o -name "$name"); done
    find "$folder" \( -name .git -o -path './build*' -o -name .cache -o -name .venv -o -name __pycache__ \) -prune \
        -o -type f \( -false "${names[@]}" \) -print
}
# lines_with EXPRESSION FOLDER NAME...
lines_with() {
    local expression=$1
    shift
    sources "$@" | xargs -r -d '\n' grep -nHIE "$expression" --
}
code=('*.h' '*.cpp' '*.cu' '*.cuh')
public_headers() { sources ./engine '*.h' | grep -v '_p\.h$'; }

hidden='#include [<"](torch|ATen|c10|sentencepiece|nlohmann|unicode|hwy|cuda_runtime)'
too_long() { sources . "${code[@]}" | xargs -r -d '\n' wc -l | awk '$2 != "total" && $1 > 500 { print $2 ": " $1 " lines" }'; }
behind_the_headers() { public_headers | xargs -r -d '\n' grep -nHE "$hidden|#include \"[^\"]*_p\.h\"" --; }
above() { lines_with "$1" ./ui "${code[@]}"; lines_with "$1" ./app "${code[@]}"; }
# The window's folders, from the ground up: each sees itself and those before it.
folders=(service parts data compare target measure inspect jobs figures window)
upwards() {
    local below=() folder
    for folder in "${folders[@]}"; do
        below+=("$folder")
        lines_with '#include "ui/' "./ui/$folder" "${code[@]}" | grep -vE "#include \"ui/($(IFS='|'; echo "${below[*]}"))/"
    done
}
# Written in two halves, so that this file does not find itself.
hosts="(py""pi\.org|python""hosted|deb\.deb""ian|snapshot\.deb""ian|conda\.ana""conda|pytorch\.org/""whl)"

[ -n "$(public_headers)" ] || { echo "there are no headers in engine/: this test looks in the wrong place"; exit 1; }
rule "Qt in the engine" lines_with '#include <(Q[A-Z]|qcustomplot)' ./engine "${code[@]}"
rule "the engine looks up at the window or the programs" lines_with '#include "(ui|app)/' ./engine "${code[@]}"
rule "the window looks up at the programs" lines_with '#include "app/' ./ui "${code[@]}"
rule "a public header of the engine shows what lies behind it" behind_the_headers
rule "a folder of the window looks up at a later one" upwards
rule "a source of the window outside its folders" find ./ui -maxdepth 1 -type f ! -name CMakeLists.txt
# JSON the programs may write themselves, the window not.
rule "the engine's insides in the window or the programs" above '#include [<"](torch|ATen|c10|sentencepiece|unicode|hwy|cuda_runtime)'
rule "a private header of the engine in the window or the programs" above '#include "engine/[^"]*_p\.h"'
rule "JSON in the window" lines_with '#include [<"]nlohmann' ./ui "${code[@]}"
rule "a file of more than 500 lines, perhaps two ideas" too_long
rule "a package registry's host" lines_with "$hosts" . '*'
rule "-march=native" lines_with '[-]march=native' . CMakeLists.txt '*.cmake' CMakePresets.json
exit "$failed"
