"""Texts whose documents stand apart by a line <|endoftext|>, and samples of them that can be read in minutes."""

import gzip
import lzma
import pathlib
import re

END = "<|endoftext|>"


def opened(file):
    """Compressed or not."""
    opener = {".xz": lzma.open, ".gz": gzip.open}.get(pathlib.Path(file).suffix, open)
    return opener(file, "rt", encoding="utf-8")


def documents(file):
    with opened(file) as text:
        return [d.strip() for d in re.split(rf"^{re.escape(END)}$", text.read(), flags=re.M) if d.strip()]


def pieces(document, characters):
    """Cut at the ends of lines, each piece as soon as it has so many characters; what is left over joins the last one."""
    found, piece = [], ""
    for line in document.split("\n"):
        piece += line + "\n"
        if len(piece) >= characters:
            found.append(piece.strip())
            piece = ""
    if piece.strip() and found:
        found[-1] += "\n" + piece.strip()
    return found or [piece.strip()]


def sample(file, count=0, characters=0):
    """`count` documents spread evenly over the text (0: all), long ones cut into pieces (0: not), which then count as documents:
    a book is no single observation."""
    found = [p for d in documents(file) for p in (pieces(d, characters) if characters else [d])]
    if not count or count >= len(found):
        return found
    return [found[i * len(found) // count] for i in range(count)]


def write(file, found):
    pathlib.Path(file).write_text(f"\n{END}\n".join(found) + "\n", encoding="utf-8")
