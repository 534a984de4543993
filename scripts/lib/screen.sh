# A screen of its own with the explorer on the whole of it, driven by real mouse and keyboard events. Where a control
# lies, the program is asked by the control's name, as assistive technology asks it: no picture depends on pixels.
# Source after lib/common.sh, with $explorer and $images set. Needs screen_packages of lib/packages.sh, and ImageMagick.

[ -x "$explorer" ] || die "$explorer is not there" "Build it first: scripts/run, or cmake --build --preset $preset."
for tool in Xvfb openbox xdotool import convert compare dbus-daemon; do
    have "$tool" || die "$tool was not found" "On Debian: scripts/setup, and apt-get install imagemagick"
done
python=/usr/bin/python3 # the distribution's, which has the distribution's pyatspi
"$python" -c 'import pyatspi' 2>/dev/null || die "python3-pyatspi was not found" "On Debian: scripts/setup"

work=$(mktemp -d)
server= bus= launcher= manager= program=

# Conversions and reports outlive the window on purpose; those that were started here shall not outlive the script.
end_jobs() {
    local job
    for job in $(pgrep -x flextron || true); do
        ! grep -qzsF "XDG_DATA_HOME=$work/data" "/proc/$job/environ" || kill "$job" 2>/dev/null || true
    done
}

# close: the program first and by its own command, so that it leaves nothing to be restored; then the screen.
close() {
    if [ -n "$program" ] && kill -0 "$program" 2>/dev/null; then
        timeout 20 xdotool key --clearmodifiers Escape ctrl+q 2>/dev/null || true
        timeout 20 tail --pid="$program" -f /dev/null || true
    fi
    end_jobs
    for process in $program $manager $launcher $bus $server; do kill "$process" 2>/dev/null || true; done
    wait 2>/dev/null || true
    server= bus= launcher= manager= program=
}
trap 'close; rm -rf "$work"' EXIT

# start THEME SCALE [MODEL]: a fresh screen with the window on the whole of it. With first_start set it is the program's
# first; else somebody has been here and wants no hints.
start() {
    local theme=$1
    scale=$2
    rm -rf "$work"/{config,data,run,display,bus}
    mkdir -p "$work"/{config,cache,data,run}
    if [ -z "${first_start:-}" ]; then
        mkdir -p "$work/config/flextron"
        printf '[General]\nversion=1\nhints=99\n' >"$work/config/flextron/explorer.ini"
    fi
    chmod 700 "$work/run"
    Xvfb -displayfd 3 -screen 0 $((1280 * scale))x$((720 * scale))x24 -dpi 96 3>"$work/display" 2>/dev/null &
    server=$!
    dbus-daemon --session --nofork --nopidfile --print-address=3 3>"$work/bus" 2>/dev/null &
    bus=$!
    until [ -s "$work/display" ] && [ -s "$work/bus" ]; do sleep 0.1; done
    DISPLAY=:$(cat "$work/display")
    DBUS_SESSION_BUS_ADDRESS=$(cat "$work/bus")
    export DISPLAY DBUS_SESSION_BUS_ADDRESS
    export XDG_CONFIG_HOME=$work/config XDG_CACHE_HOME=$work/cache XDG_DATA_HOME=$work/data XDG_RUNTIME_DIR=$work/run
    "$(at_spi_launcher)" --launch-immediately >/dev/null 2>&1 &
    launcher=$!
    openbox --config-file "$work/openbox.xml" >/dev/null 2>&1 &
    manager=$!
    QT_LINUX_ACCESSIBILITY_ALWAYS_ON=1 QT_SCALE_FACTOR=$scale LC_ALL=C.UTF-8 \
        "$explorer" --theme "$theme" ${3:+"$3"} >"$work/log" 2>&1 &
    program=$!
    wait_for_window
    settle
}

# (xdotool's own --sync gives up when a window disappears while it looks.)
wait_for_window() {
    local window= try
    for try in $(seq 300); do
        window=$(xdotool search --onlyvisible --name "Flextron Explorer" 2>/dev/null | head -1) || true
        [ -z "$window" ] || ! xdotool windowactivate --sync "$window" 2>/dev/null || return 0
        kill -0 "$program" 2>/dev/null || die "the explorer ended at once" "Look at what it said: $(tail -n 5 "$work/log")"
        sleep 0.2
    done
    die "the explorer showed no window within a minute ($try tries)"
}

at_spi_launcher() {
    local place
    for place in /usr/libexec/at-spi-bus-launcher /usr/lib/at-spi2-core/at-spi-bus-launcher; do
        [ ! -x "$place" ] || { echo "$place"; return 0; }
    done
    die "at-spi-bus-launcher was not found" "On Debian: scripts/setup"
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

# ask where|word|value ARGUMENT...: as scripts/lib/window.py describes.
ask() { WINDOW_SCALE=$scale PYTHONDONTWRITEBYTECODE=1 "$python" "$root/scripts/lib/window.py" "$@"; }

# move, press NAME [ROLE [X Y]]: the pointer to the control of that name; press clicks there.
move() {
    local place
    place=$(ask where "$@")
    # shellcheck disable=SC2086 # two numbers
    xdotool mousemove $place
}
press() {
    move "$@"
    xdotool click 1
    sleep 0.5
}
# wait_for NAME [ROLE]: up to twenty minutes, until a control of that name is showing.
wait_for() {
    local try
    for try in $(seq 60); do
        ! ask where "$@" >/dev/null 2>&1 || return 0
    done
    die "nothing called $1 has come within twenty minutes ($try tries)"
}
# word NAME WORD [N]: clicks the Nth WORD in the text view NAME.
word() {
    local place
    place=$(ask word "$@")
    # shellcheck disable=SC2086
    xdotool mousemove $place click 1
    sleep 0.5
}
# choose BOX ENTRY: opens the combo box and takes the entry.
choose() {
    press "$1" "combo box"
    press "$2" "list item"
}
# panel TITLE: brings the panel to the front, by its command.
panel() { do_command "Go to $1"; }
# do_command NAME: through the list of commands.
do_command() {
    key ctrl+shift+p
    wait_for "Part of a command's name" text
    write "$1"
    key Return
    sleep 1
}
key() { xdotool key --clearmodifiers "$@"; }
write() { xdotool type --clearmodifiers --delay 20 "$1"; }

# Where the pointer disturbs nothing: the status bar's corner.
pointer_away() { xdotool mousemove $((1280 * scale - 1)) $((720 * scale - 1)); }

# save NAME [moving]: the screen as docs/images/NAME.png, once it is at rest; with "moving" as it is now.
save() {
    if [ "${2:-}" != moving ]; then
        pointer_away
        settle
    fi
    picture "$work/shot.png"
    keep_picture "$1"
}

# keep_picture NAME: the picture that was just taken, small enough for a repository.
keep_picture() {
    convert "$work/shot.png" +dither -colors 250 -strip -define png:compression-level=9 "$images/$1.png"
    say "   docs/images/$1.png, $(stat -c %s "$images/$1.png") bytes"
}

# A window manager gives the window the keyboard; it draws no frame, so the picture is the window alone.
cat >"$work/openbox.xml" <<'XML'
<openbox_config xmlns="http://openbox.org/3.4/rc">
  <applications><application class="*" type="normal"><decor>no</decor><maximized>yes</maximized></application></applications>
</openbox_config>
XML
