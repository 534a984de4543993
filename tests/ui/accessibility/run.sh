#!/usr/bin/env bash
# The accessibility test: a screen and a bus of its own, the explorer on it, and check.py asking through AT-SPI.
#   run.sh EXPLORER FOLDER_OF_WINDOW_PY
# Exit code 77 where what it needs is not installed: CTest calls that skipped.
set -euo pipefail
explorer=$1
library=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

skip() { echo "skipped: $1 is not installed (scripts/setup installs it on Debian)"; exit 77; }
for tool in Xvfb openbox xdotool dbus-run-session; do
    command -v "$tool" >/dev/null || skip "$tool"
done
python=/usr/bin/python3 # the distribution's, which has the distribution's pyatspi
"$python" -c 'import pyatspi' 2>/dev/null || skip python3-pyatspi
launcher=
for place in /usr/libexec/at-spi-bus-launcher /usr/lib/at-spi2-core/at-spi-bus-launcher; do
    [ ! -x "$place" ] || launcher=$place
done
[ -n "$launcher" ] || skip at-spi2-core

if [ -z "${FLEXTRON_OWN_BUS:-}" ]; then
    FLEXTRON_OWN_BUS=1 exec dbus-run-session -- "$0" "$@"
fi
work=$(mktemp -d)
processes=()
finish() {
    for process in "${processes[@]}"; do kill "$process" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
mkdir -p "$work"/{config,data,cache,run}
chmod 700 "$work/run"
export XDG_CONFIG_HOME=$work/config XDG_DATA_HOME=$work/data XDG_CACHE_HOME=$work/cache XDG_RUNTIME_DIR=$work/run
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
unset QT_QPA_PLATFORM WAYLAND_DISPLAY

Xvfb -displayfd 3 -screen 0 1280x720x24 -dpi 96 3>"$work/display" 2>/dev/null &
processes+=($!)
until [ -s "$work/display" ]; do sleep 0.1; done
DISPLAY=:$(cat "$work/display")
export DISPLAY
"$launcher" --launch-immediately >/dev/null 2>&1 &
processes+=($!)
openbox >/dev/null 2>&1 &
processes+=($!)
QT_LINUX_ACCESSIBILITY_ALWAYS_ON=1 "$explorer" --theme light >"$work/log" 2>&1 &
processes+=($!)
status=0
"$python" "$here/check.py" "$library" || status=$?
[ "$status" -eq 0 ] || cat "$work/log"
exit "$status"
