# SentencePiece as a static library with hidden symbols: its protobuf must not meet LibTorch's in one process.

sentencepiece_folder() {
    local compiler=${CXX:-c++}
    echo "$cache/sentencepiece-$sentencepiece_version-$(uname -m)-c++$("$compiler" -dumpfullversion -dumpversion)"
}

sentencepiece_ready() { have "${CXX:-c++}" && [ -e "$(sentencepiece_folder)/ready" ]; }

build_sentencepiece() {
    local work archive source target
    target=$(sentencepiece_folder)
    work=$(mktemp -d "$cache/tmp.sentencepiece.XXXXXX")
    archive=$(fetch_source "$work/download" sentencepiece "$sentencepiece_version" "$sentencepiece_sha256")
    mkdir "$work/source"
    tar -xzf "$archive" -C "$work/source" --strip-components=1
    source=$work/source/sentencepiece
    if ! {
        cmake -S "$source" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DSPM_ENABLE_SHARED=OFF \
            -DSPM_ENABLE_TCMALLOC=OFF -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DCMAKE_CXX_VISIBILITY_PRESET=hidden \
            -DCMAKE_VISIBILITY_INLINES_HIDDEN=ON
        cmake --build "$work/build" --parallel "$(jobs)" --target sentencepiece-static sentencepiece_train-static
    } >"$work/log" 2>&1; then
        tail -n 30 "$work/log" >&2
        die "SentencePiece $sentencepiece_version could not be built; the whole log is $work/log"
    fi
    mkdir -p "$work/tree/include" "$work/tree/lib"
    cp "$source/src/sentencepiece_processor.h" "$source/src/sentencepiece_trainer.h" "$work/tree/include"
    cp "$work/build/src/libsentencepiece.a" "$work/build/src/libsentencepiece_train.a" "$work/tree/lib"
    cp "$source/LICENSE" "$work/tree"
    touch "$work/tree/ready"
    rm -rf "$target"
    mv "$work/tree" "$target"
    rm -rf "$work"
}
