"""The real window as assistive technology sees it: every control has a name, the keyboard reaches it, and the figures
of a run can be read. Run by run.sh, which has started the window on a screen and a bus of its own.

    check.py FOLDER     where window.py is
"""

import subprocess
import sys
import time

sys.path.insert(0, sys.argv[1])
import pyatspi  # noqa: E402
from gi.repository import GLib  # noqa: E402
import window  # noqa: E402

# What a person acts on. (A text that cannot be edited is read; it is checked apart.)
CONTROLS = {"push button", "toggle button", "check box", "radio button", "combo box", "spin button", "slider", "text",
            "table", "list", "tree", "tree table", "page tab", "menu item", "check menu item", "radio menu item", "menu",
            "password text", "dial"}
# Qt's own parts of a control: named by what they are in.
INSIDE = {"combo box", "spin button", "table", "tree", "tree table", "list", "scroll bar"}

problems = []


def fail(text):
    problems.append(text)
    print("FAILED:", text, flush=True)


def parents(node):
    node = node.parent
    while node is not None and node.getRole() != pyatspi.ROLE_APPLICATION:
        yield node
        node = node.parent


def place(node):
    """Where a person would look for it: the names above it."""
    names = [parent.name or parent.getRoleName() for parent in parents(node)]
    return " < ".join([f'{node.getRoleName()} "{node.name}"'] + names[:4])


def is_part(node):
    parent = node.parent
    return parent is not None and parent.getRoleName() in INSIDE


def controls(hidden):
    return [node for node in window.walk(window.application(), hidden)
            if node.getRoleName() in CONTROLS and not is_part(node)]


def key(*names):
    subprocess.run(["xdotool", "key", "--clearmodifiers", *names], check=True)


def wait_for(what, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.3)
    return None


def shown_texts():
    return [window.text_of(node) for node in window.walk(window.application()) if window.text_of(node)]


def has_text(*parts):
    return any(all(part in text for part in parts) for text in shown_texts())


def names():
    """Also of what is hidden at the moment: the other panels, the menus. (A button that is hidden may stand for whatever
    its panel will have to offer; it has a name when it is shown, which panels() looks at.)"""
    found = controls(hidden=True)
    if len(found) < 100:
        fail(f"only {len(found)} controls are in the tree: this test looks in the wrong place")
    for node in found:
        unused = node.getRoleName() == "push button" and not window.is_in(node, pyatspi.STATE_SHOWING)
        if not node.name.strip() and not unused:
            fail(f"a control without a name: {place(node)}")
        if node.getRoleName() == "combo box" and not node.description.strip():
            fail(f"a box that does not say what it is for: {place(node)}")
    print(f"{len(found)} controls have names", flush=True)


def identity(node):
    """Not its place: Tab scrolls to what it reaches, and everything beside it moves."""
    try:
        return node.path
    except Exception:  # it is gone
        return None


def tab_round(seconds=60):
    """What has the keyboard one after the other, from Tab to Tab, until the first comes again."""
    had = []
    deadline = time.monotonic() + seconds

    def on_focus(event):
        if event.detail1 and event.source is not None:
            found = identity(event.source)
            if found in had[:1] and len(had) > 3:
                pyatspi.Registry.stop()
            elif found is not None and found not in had:
                had.append(found)

    def press():
        if time.monotonic() > deadline:
            pyatspi.Registry.stop()
            return False
        key("Tab")
        return True

    pyatspi.Registry.registerEventListener(on_focus, "object:state-changed:focused")
    timer = GLib.timeout_add(120, press)
    pyatspi.Registry.start()
    GLib.source_remove(timer)
    pyatspi.Registry.deregisterEventListener(on_focus, "object:state-changed:focused")
    return set(had)


def otherwise(node, menu_items):
    """By a menu's command, which has keys or the menu's; panels by "Go to"; a panel's frame by the menu View."""
    return node.name in menu_items or (node.getRoleName() == "page tab" and f"Go to {node.name}" in menu_items) \
        or node.name in ("Float", "Close", "Undocks and re-attaches the dock widget", "Closes the dock widget")


def to_be_reached():
    menu_items = {node.name.split("\t")[0] for node in window.walk(window.application(), True)
                  if node.getRoleName().endswith("menu item")}
    return [node for node in controls(hidden=False)
            if "menu" not in node.getRoleName() and window.is_in(node, pyatspi.STATE_ENABLED)
            and not otherwise(node, menu_items)]


def reach(where):
    """Goes round with Tab; what is showing and enabled and has not had the keyboard must be had otherwise."""
    had = tab_round()
    wanted = to_be_reached()
    for node in wanted:
        reached = identity(node) in had or any(identity(parent) in had for parent in parents(node))
        showing = all(window.is_in(parent, pyatspi.STATE_SHOWING) for parent in (node, *parents(node)))
        if not reached and showing:
            fail(f"{where}: the keyboard does not reach {place(node)}")
    print(f"{where}: the keyboard reaches {len(wanted)} controls; Tab goes through {len(had)}", flush=True)


def go_to(command):
    """Through the list of commands, as a person without a mouse does."""
    key("ctrl+shift+p")
    time.sleep(0.3)
    subprocess.run(["xdotool", "type", "--delay", "20", command], check=True)
    key("Return")
    time.sleep(1)


def panels():
    """Each panel is brought to the front by its command, and looked at there."""
    names_of = sorted(node.name for node in window.walk(window.application(), True)
                      if node.getRoleName() == "menu item" and node.name.startswith("Go to ")
                      and not node.name.startswith("Go to Panel"))
    if len(names_of) < 10:
        fail(f"only {len(names_of)} panels can be gone to")
    for name in names_of:
        go_to(name)
        for node in to_be_reached():
            if not node.name.strip():
                fail(f"{name}: a control without a name: {place(node)}")
            can = window.is_in(node, pyatspi.STATE_FOCUSABLE) or any(
                window.is_in(parent, pyatspi.STATE_FOCUSABLE) for parent in parents(node))
            if not can:
                fail(f"{name}: the keyboard cannot reach {place(node)}")
    print(f"{len(names_of)} panels looked at", flush=True)


def figures():
    """What a run says of itself can be read."""
    key("F5")
    if not wait_for(lambda: has_text("limit reached")):
        fail("the run's end cannot be read under its pane")
    for what, parts in {"tokens and speed of a pane": ("64 tokens", "tok/s"), "time to the first token": ("first ",),
                        "the shared step": ("panes share a step of",), "the prompt's tokens": ("tokens of ",),
                        "what is asked for": (" of full ",), "the state": ("Done",)}.items():
        if not has_text(*parts):
            fail(f"{what} cannot be read (looked for {parts})")
    for name in ("Text of the full model", "Text of the live sub-network"):
        if len(window.text_of(window.find(name))) < 100:
            fail(f"{name}: its text cannot be read")
    slider = window.find("Latency", "slider").queryValue()
    if not slider.minimumValue <= slider.currentValue <= slider.maximumValue:
        fail("the latency slider's value cannot be read")


def slider_by_keyboard():
    slider = window.find("Latency", "slider")
    slider.queryComponent().grabFocus()
    before = slider.queryValue().currentValue
    key("Left")
    if not wait_for(lambda: slider.queryValue().currentValue < before, 10):
        fail("the left arrow does not move the latency slider")


def cells():
    """The heatmap's cursor says its cell."""
    go_to("Go to Widths by token")
    window.find("Heatmap of tokens and layers").queryComponent().grabFocus()
    key("Right", "Right", "Up")
    if not wait_for(lambda: has_text("token ", "layer ", " neurons"), 10):
        fail("the heatmap's cursor does not say its cell")


def main():
    if not wait_for(lambda: window.application() and has_text("Ready")):
        sys.exit("FAILED: the window did not come up with a model within a minute")
    names()
    reach("after the start")
    figures()
    slider_by_keyboard()
    wait_for(lambda: has_text("Done"))
    cells()
    reach("after a run")
    panels()
    print(f"{len(problems)} problems")
    sys.exit(1 if problems else 0)


main()
