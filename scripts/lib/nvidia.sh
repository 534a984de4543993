# With an NVIDIA driver on this machine, the libraries that LibTorch's CUDA part was linked against: those its own
# package metadata names, fetched as it pins them.

gpu_present() { [ -z "${FLEXTRON_LIBTORCH:-}" ] && { ldconfig -p 2>/dev/null || /sbin/ldconfig -p; } | grep -q 'libcuda\.so\.1'; }

gpu_libraries_ready() { [ -e "$libtorch_folder/gpu-ready" ]; }

fetch_gpu_libraries() {
    local work requirements wheel
    work=$(mktemp -d "$cache/tmp.nvidia.XXXXXX")
    mapfile -t requirements < <(sed -nE 's/^Requires-Dist: ((cuda-toolkit|nvidia-)[^;]*).*/\1/p' "$libtorch_folder"/torch-*.dist-info/METADATA)
    [ "${#requirements[@]}" -gt 0 ] || die "LibTorch's metadata names no NVIDIA package" "remove $libtorch_folder and run scripts/setup again"
    retry 5 pip_download "$work/download" "${requirements[@]}" --only-binary=:all: || die "the NVIDIA libraries could not be fetched"
    for wheel in "$work"/download/*.whl; do
        case $(basename "$wheel") in
            nvidia_*) python3 "$root/scripts/lib/unpack_wheel.py" "$wheel" "$libtorch_folder" 'nvidia/*/lib/*.so*' ;;
        esac
    done
    touch "$libtorch_folder/gpu-ready"
    rm -rf "$work"
}
