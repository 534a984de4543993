"""Unpacks chosen parts of a wheel: unpack_wheel.py WHEEL FOLDER PATTERN...

A pattern is a shell pattern over the path inside the wheel; one that begins with '!' leaves files out. Every file is
written beside its final name and renamed, so a folder in use never shows half a file.
"""

import fnmatch
import os
import shutil
import sys
import zipfile


def wanted(name, patterns):
    take = [p for p in patterns if not p.startswith("!")]
    leave = [p[1:] for p in patterns if p.startswith("!")]
    return any(fnmatch.fnmatch(name, p) for p in take) and not any(fnmatch.fnmatch(name, p) for p in leave)


def main(wheel, folder, *patterns):
    count = 0
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            parts = entry.filename.split("/")
            if entry.is_dir() or ".." in parts or not wanted(entry.filename, patterns):
                continue
            target = os.path.join(folder, *parts)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with archive.open(entry) as source, open(target + ".part", "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
            os.chmod(target + ".part", 0o644)
            os.replace(target + ".part", target)
            count += 1
    if count == 0:
        sys.exit(f"error: {wheel} holds nothing that matches {' '.join(patterns)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
