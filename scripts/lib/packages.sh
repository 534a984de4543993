# What the build takes from the distribution, by Debian 12 package name.

build_packages=(g++ cmake ninja-build ccache git ca-certificates python3 python3-pip)
library_packages=(libcli11-dev nlohmann-json3-dev libicu-dev libhwy-dev liblzma-dev zlib1g-dev libzstd-dev)
window_packages=(qt6-base-dev qt6-svg-dev libqcustomplot-dev libgl-dev fonts-dejavu-core)
check_packages=(clang-format)
# A screen that nobody looks at, with a bus and a window manager: for the test of accessibility and the guide's pictures.
screen_packages=(xvfb openbox xdotool dbus at-spi2-core python3-pyatspi)

all_packages() { printf '%s\n' "${build_packages[@]}" "${library_packages[@]}" "${window_packages[@]}" "${check_packages[@]}" \
    "${screen_packages[@]}"; }

missing_packages() {
    local installed
    have dpkg-query || return 0 # another distribution: CMake says what it does not find
    installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p' | sort -u)
    comm -23 <(all_packages | sort -u) <(printf '%s\n' "$installed")
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        die "installing packages needs root, and there is no sudo" "as root: apt-get install $(missing_packages | tr '\n' ' ')"
    fi
}

install_packages() {
    local missing
    mapfile -t missing < <(missing_packages)
    say "   installing: ${missing[*]}"
    retry 3 as_root apt-get update -qq </dev/null >&2 || die "apt-get update failed" "is the network there?"
    retry 3 as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >&2 \
        || die "apt-get could not install: ${missing[*]}"
}
