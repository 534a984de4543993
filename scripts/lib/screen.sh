# A screen of its own with the explorer on the whole of it, driven by real mouse and keyboard events.
# Source after lib/common.sh, with $explorer and $images set. Needs Xvfb, openbox, xdotool and ImageMagick.

[ -x "$explorer" ] || die "$explorer is not there" "Build it first: scripts/run, or cmake --build --preset $preset."
for tool in Xvfb openbox xdotool import convert compare; do
    have "$tool" || die "$tool was not found" "On Debian: apt install xvfb openbox xdotool imagemagick"
done

work=$(mktemp -d)
server=
program=
manager=
close() {
    for process in $program $manager $server; do kill "$process" 2>/dev/null || true; done
    wait 2>/dev/null || true
    program= manager= server=
}
trap 'close; rm -rf "$work"' EXIT

# start THEME SCALE [MODEL]: a fresh screen with the window on the whole of it. With first_start set it is the program's
# first; else somebody has been here and wants no hints.
start() {
    local theme=$1
    scale=$2
    mkdir -p "$work"/{config,cache,data,run}
    rm -rf "$work"/config/* "$work/display"
    if [ -z "${first_start:-}" ]; then
        mkdir -p "$work/config/flextron"
        printf '[General]\nversion=1\nhints=99\n' >"$work/config/flextron/explorer.ini"
    fi
    chmod 700 "$work/run"
    Xvfb -displayfd 3 -screen 0 $((1280 * scale))x$((720 * scale))x24 -dpi 96 3>"$work/display" 2>/dev/null &
    server=$!
    until [ -s "$work/display" ]; do sleep 0.1; done
    DISPLAY=:$(cat "$work/display")
    export DISPLAY
    openbox --config-file "$work/openbox.xml" >/dev/null 2>&1 &
    manager=$!
    XDG_CONFIG_HOME=$work/config XDG_CACHE_HOME=$work/cache XDG_DATA_HOME=$work/data XDG_RUNTIME_DIR=$work/run \
        QT_SCALE_FACTOR=$scale LC_ALL=C.UTF-8 "$explorer" --theme "$theme" ${3:+"$3"} >"$work/log" 2>&1 &
    program=$!
    window=$(xdotool search --sync --onlyvisible --name "Flextron Explorer" | head -1)
    xdotool windowactivate --sync "$window"
    settle
}

picture() { import -window root "$1"; }

# settle: until nothing but a blinking cursor has changed for three seconds.
settle() {
    local changed calm=0
    picture "$work/before.png"
    for _ in $(seq 240); do
        sleep 1
        picture "$work/after.png"
        changed=$(compare -metric AE "$work/before.png" "$work/after.png" null: 2>&1) || true
        mv "$work/after.png" "$work/before.png"
        [ "${changed%%.*}" -lt $((60 * scale * scale)) ] && calm=$((calm + 1)) || calm=0
        [ "$calm" -lt 3 ] || return 0
    done
    die "the window did not come to rest within four minutes" "Look at $work/log."
}

# Points of the window at scale 1.
at() { xdotool mousemove $(($1 * scale)) $(($2 * scale)); }
click() { at "$1" "$2"; xdotool click 1; }
key() { xdotool key "$@"; }
save() {
    at 1279 719 # the pointer out of the way
    [ "${2:-}" = moving ] || settle
    picture "$work/shot.png"
    convert "$work/shot.png" +dither -colors 250 -strip -define png:compression-level=9 "$images/$1.png"
    say "   docs/images/$1.png, $(stat -c %s "$images/$1.png") bytes"
}

# A window manager gives the window the keyboard; it draws no frame, so the picture is the window alone.
cat >"$work/openbox.xml" <<'XML'
<openbox_config xmlns="http://openbox.org/3.4/rc">
  <applications><application class="*"><decor>no</decor><maximized>yes</maximized></application></applications>
</openbox_config>
XML
