# Hugging Face transformers, with the same LibTorch as torch: for the tests that compare with it (label transformers).
# Only continuous integration and those who ask for it (scripts/setup --transformers) get it.

transformers_version=5.23.0
transformers_folder=$cache/transformers-$transformers_version-torch-$libtorch_version

transformers_ready() { [ -e "$transformers_folder/ready" ]; }

# Torch's Python part from its wheel; the libraries are those that the program is linked with. The wheel's Python asks for
# three of NVIDIA's libraries that it never calls on a CPU: empty ones stand in for them.
fetch_transformers() {
    local work wheel library
    work=$(mktemp -d "$cache/tmp.transformers.XXXXXX")
    say "   torch's wheel is fetched once more (530 MB): of the first time only its libraries were kept"
    wheel=$(fetch_wheel "$work/download" torch "$libtorch_version" "$libtorch_sha256")
    python3 "$root/scripts/lib/unpack_wheel.py" "$wheel" "$work/tree" 'torch/*' 'torchgen/*' 'functorch/*' '*.dist-info/*' \
        '!torch/lib/*' '!torch/include/*' '!torch/share/*' '!torch/bin/*' '!torch/test/*'
    python3 "$root/scripts/lib/unpack_wheel.py" "$wheel" "$work/tree" 'torch/lib/libtorch_python.so' \
        'torch/lib/libtorch_global_deps.so' 'torch/lib/libshm.so' 'torch/bin/torch_shm_manager'
    rm -rf "$work/download"
    for library in "$libtorch_folder"/torch/lib/*.so*; do
        [ -e "$work/tree/torch/lib/$(basename "$library")" ] || ln -s "$library" "$work/tree/torch/lib/"
    done
    ln -s "$libtorch_folder/nvidia" "$work/tree/nvidia"
    stand_in "$work/tree" libcusparseLt.so.0 '^cusparseLt' ''
    stand_in "$work/tree" libcufile.so.0 '^cuFile' ''
    stand_in "$work/tree" libnvshmem_host.so.3 '@NVSHMEM$' NVSHMEM
    retry 5 env PIP_ROOT_USER_ACTION=ignore python3 -m pip --disable-pip-version-check --no-input install --quiet --no-deps --require-hashes \
        --only-binary=:all: --no-cache-dir --target "$work/tree" --requirement "$root/scripts/lib/transformers.txt" \
        </dev/null >&2 || die "transformers could not be fetched" "is the network there? The next run starts again"
    touch "$work/tree/ready"
    rm -rf "$transformers_folder"
    mv "$work/tree" "$transformers_folder"
    rm -rf "$work"
    (use_transformers && python3 -c 'import torch, transformers; torch.ones(2) @ torch.ones(2)') \
        || { rm -rf "$transformers_folder"; die "transformers does not run here"; }
}

# stand_in FOLDER LIBRARY PATTERN VERSION: a library with the functions that torch wants of it, none of which does anything.
stand_in() {
    local folder=$1 library=$2 pattern=$3 version=$4 source=$1/stand-in.c script=() names
    names=$(nm --dynamic --undefined-only "$folder"/torch/lib/*.so | awk '{ print $NF }' | grep -E "$pattern" | sed 's/@.*//' | sort -u)
    sed 's/.*/void &(void) {}/' <<<"$names" >"$source"
    if [ -n "$version" ]; then
        echo "$version { global: *; };" >"$folder/stand-in.map"
        script=("-Wl,--version-script=$folder/stand-in.map")
    fi
    gcc -shared -fPIC -w -o "$folder/torch/lib/$library" "$source" -Wl,-soname,"$library" "${script[@]}"
    rm -f "$source" "$folder/stand-in.map"
}

use_transformers() {
    export PYTHONPATH=$transformers_folder PYTHONDONTWRITEBYTECODE=1 HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES=
    export LD_LIBRARY_PATH=$transformers_folder/torch/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
}
