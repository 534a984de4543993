# LibTorch in the user's cache, laid out as in a Python environment (torch/ and nvidia/ side by side), so that the
# libraries' own run paths find each other.

libtorch_folder=$cache/libtorch-$libtorch_version

libtorch_ready() { [ -e "$libtorch_folder/ready" ]; }

fetch_libtorch() {
    local work wheel
    work=$(mktemp -d "$cache/tmp.libtorch.XXXXXX")
    say "   LibTorch $libtorch_version is about 530 MB; it is fetched once, into $cache"
    wheel=$(fetch_wheel "$work/download" torch "$libtorch_version" "$libtorch_sha256")
    say "   unpacking"
    python3 "$root/scripts/lib/unpack_wheel.py" "$wheel" "$work/tree" 'torch/include/*' 'torch/lib/*.so*' 'torch/share/*' \
        'torch.libs/*' '*.dist-info/METADATA' '*.dist-info/LICENSE*' '*.dist-info/licenses/*' '!torch/lib/libtorch_python.so'
    # LibTorch's CPU library is linked against these two small libraries, GPU or not.
    wheel=$(fetch_wheel "$work/download" nvidia-cuda-runtime "$cudart_version" "$cudart_sha256")
    python3 "$root/scripts/lib/unpack_wheel.py" "$wheel" "$work/tree" 'nvidia/*/lib/libcudart.so*'
    wheel=$(fetch_wheel "$work/download" nvidia-cuda-cupti "$cupti_version" "$cupti_sha256")
    python3 "$root/scripts/lib/unpack_wheel.py" "$wheel" "$work/tree" 'nvidia/*/lib/libcupti.so*'
    touch "$work/tree/ready"
    rm -rf "$libtorch_folder"
    mv "$work/tree" "$libtorch_folder"
    rm -rf "$work"
}
