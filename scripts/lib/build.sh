# Configuring and building a preset of CMakePresets.json, in build/PRESET.

# configure PRESET: only when there is nothing yet, or when what it was configured with from outside has changed; what
# changes inside the tree, Ninja sees by itself.
configure() {
    local preset=$1 folder=$root/build/$1 inputs
    inputs="LibTorch ${FLEXTRON_LIBTORCH:-pinned}; cache $cache; compiler ${CXX:-c++}"
    [ -e "$folder/build.ninja" ] && [ "$(cat "$folder/inputs" 2>/dev/null)" = "$inputs" ] && return 0
    step "configure ($preset)" cmake -S "$root" --preset "$preset" -DFLEXTRON_LIBTORCH="${FLEXTRON_LIBTORCH:-}" </dev/null >&2
    printf '%s\n' "$inputs" >"$folder/inputs"
}

# build PRESET [TARGET...]
build() {
    local preset=$1 targets=()
    shift
    [ $# -eq 0 ] || targets=(--target "$@")
    configure "$preset"
    step "build ($preset)" cmake --build "$root/build/$preset" --parallel "$(jobs)" "${targets[@]}" </dev/null >&2
}
