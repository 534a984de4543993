# Fetching: one named package file through pip, whatever Python runs it, checked against its pinned SHA-256.

# check_sha256 FILE EXPECTED
check_sha256() {
    local found
    found=$(sha256sum "$1" | cut -d' ' -f1)
    [ "$found" = "$2" ] && return 0
    say "error: $(basename "$1") is not the file expected (SHA-256 expected $2, found $found)"
    say "hint: the download was damaged or the source was changed; it was not used. Try again, or look at scripts/lib/pins.sh"
    return 1
}

# pip_download FOLDER SPECIFICATION OPTION...: into an emptied folder, so that what lies there is this download alone.
pip_download() {
    local folder=$1 spec=$2
    shift 2
    rm -rf "$folder"
    mkdir -p "$folder"
    python3 -m pip --disable-pip-version-check --no-input download --quiet --retries 5 --timeout 60 \
        --no-cache-dir --dest "$folder" "$spec" "$@" </dev/null >&2
}

# fetch_wheel FOLDER NAME VERSION SHA256: prints the path of the wheel for Python 3.11 on this processor.
fetch_wheel() {
    local folder=$1 name=$2 version=$3 sha256=$4 arch platforms=() tag
    arch=$(uname -m)
    for tag in manylinux_2_28 manylinux_2_27 manylinux_2_25 manylinux_2_17 manylinux2014; do
        platforms+=(--platform "${tag}_$arch")
    done
    retry 5 pip_download "$folder" "$name==$version" --no-deps --only-binary=:all: --python-version 3.11 "${platforms[@]}" \
        || die "$name $version could not be fetched" "is the network there? The next run starts again where this one ended"
    verified_file "$folder" "$sha256"
}

# fetch_source FOLDER NAME VERSION SHA256: prints the path of the source archive.
fetch_source() {
    local folder=$1 name=$2 version=$3 sha256=$4
    retry 5 pip_download "$folder" "$name==$version" --no-deps --no-binary "$name" \
        || die "$name $version could not be fetched" "is the network there? The next run starts again where this one ended"
    verified_file "$folder" "$sha256"
}

# verified_file FOLDER SHA256: the one file in the folder, checked.
verified_file() {
    local files=("$1"/*)
    check_sha256 "${files[0]}" "$2"
    printf '%s\n' "${files[0]}"
}
