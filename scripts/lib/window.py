"""The explorer's window as assistive technology sees it: finds what is on the screen by name, through AT-SPI.

    window.py where NAME [ROLE [X Y]]     prints a point of the control that is showing: its middle, or X and Y of
                                          its width and height (0 to 1), in pixels of the screen;
                                          WINDOW_SCALE in the environment is Qt's scale
    window.py word NAME WORD [N]          the middle of the Nth (first: 0) WORD in the text view NAME
    window.py value NAME                  what a label, a box or a text view says
    window.py tree                        everything that is showing: for a person

NAME is the accessible name or description, or its beginning with a star at the end. Waits some seconds for what is not there yet.
"""

import os
import sys
import time

import pyatspi

APPLICATION = "flextron-explorer"
WAIT_SECONDS = 20


def application():
    """The explorer on this session's bus; None while it has not registered."""
    for program in pyatspi.Registry.getDesktop(0):
        if program is not None and program.name == APPLICATION:
            return program
    return None


def is_in(node, state):
    return node.getState().contains(state)


def is_shown(node):
    """A panel behind others of its place is showing for Qt, but lies beside the screen."""
    if not is_in(node, pyatspi.STATE_SHOWING):
        return False
    if node.getRole() != pyatspi.ROLE_FRAME:
        return True
    box = extents(node)
    return box.x + box.width > 0 and box.y + box.height > 0


def walk(node, hidden=False):
    """Every accessible object under `node`, itself first; what is not showing only when `hidden`."""
    try:
        if not hidden and node.getRole() != pyatspi.ROLE_APPLICATION and not is_shown(node):
            return
        children = [node.getChildAtIndex(i) for i in range(min(node.childCount, 2000))]
    except Exception:  # gone while we looked: the bus says so with an error of its own
        return
    yield node
    for child in children:
        if child is not None:
            yield from walk(child, hidden)


def text_of(node):
    """What a person reads there: a text's content, else the name."""
    try:
        text = node.queryText()
        content = text.getText(0, text.characterCount)
        if content:
            return content
    except NotImplementedError:
        pass
    return node.name


def matches(node, name, role):
    names = {node.name, node.description}  # a combo box is called by what it shows, and described by what it is for
    named = any(one.startswith(name[:-1]) if name.endswith("*") else one == name for one in names)
    return named and (not role or node.getRoleName() == role)


def find(name, role=None):
    """The first one of that name that is showing."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        program = application()
        if program is not None:
            for node in walk(program):
                try:
                    if matches(node, name, role):
                        return node
                except Exception:
                    continue
        time.sleep(0.3)
    sys.exit(f'error: nothing called "{name}" is showing' + (f" as {role}" if role else ""))


def extents(node):
    """In points of the window, as Qt gives them whatever its scale."""
    return node.queryComponent().getExtents(pyatspi.DESKTOP_COORDS)


def pixels(x, y):
    scale = int(os.environ.get("WINDOW_SCALE", "1"))
    return f"{round(scale * x)} {round(scale * y)}"


def where(name, role=None, x="0.5", y="0.5"):
    box = extents(find(name, role or None))
    return pixels(box.x + float(x) * box.width, box.y + float(y) * box.height)


def word(name, wanted, count="0"):
    text = find(name, "text").queryText()
    content = text.getText(0, text.characterCount)
    at = -1
    for _ in range(int(count) + 1):
        at = content.find(wanted, at + 1)
    if at < 0:
        sys.exit(f'error: "{wanted}" is not in "{content}"')
    x, y, width, height = text.getCharacterExtents(at + len(wanted) // 2, pyatspi.DESKTOP_COORDS)
    return pixels(x + width / 2, y + height / 2)


def tree():
    lines = []

    def show(node, depth):
        box = extents(node) if "Component" in pyatspi.listInterfaces(node) else None
        place = f"  {box.x},{box.y} {box.width}x{box.height}" if box else ""
        lines.append(f'{"  " * depth}[{node.getRoleName()}] "{node.name}"{place}')
        for i in range(node.childCount):
            child = node.getChildAtIndex(i)
            if child is not None and is_shown(child):
                show(child, depth + 1)

    show(application(), 0)
    return "\n".join(lines)


if __name__ == "__main__":
    commands = {"where": where, "word": word, "value": lambda name: text_of(find(name)), "tree": tree}
    if len(sys.argv) < 2 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    print(commands[sys.argv[1]](*sys.argv[2:]))
