#!/usr/bin/env python3
"""A checkpoint with the last layers of another one left out.

    drop_layers.py BASE LAYERS OUT

For families whose tensors have the layer's number between dots in their names (Llama, GPT-2) and whose weights are in one
model.safetensors. The tokenizer's files are copied.
"""

import json
import os
import pathlib
import re
import shutil
import struct
import sys


def kept(name, layers):
    number = re.search(r"\.(\d+)\.", name)
    return number is None or int(number.group(1)) < layers


def main(base, layers, out):
    base, out, layers = pathlib.Path(base), pathlib.Path(out), int(layers)
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    key = next(k for k in ("num_hidden_layers", "n_layer") if k in config)
    if not 0 < layers <= config[key]:
        sys.exit(f"error: {base} has {config[key]} layers")
    config[key] = layers
    weights = (base / "model.safetensors").read_bytes()
    size = struct.unpack("<Q", weights[:8])[0]
    header = json.loads(weights[8:8 + size])
    new, data = {}, []
    end = 0
    for name, entry in sorted(header.items()):
        if name == "__metadata__" or not kept(name, layers):
            continue
        begin, stop = entry["data_offsets"]
        data.append(weights[8 + size + begin:8 + size + stop])
        new[name] = {**entry, "data_offsets": [end, end + stop - begin]}
        end += stop - begin
    text = json.dumps({"__metadata__": {"format": "pt"}, **new}).encode()
    text += b" " * (-len(text) % 8)
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    (part / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data))
    (part / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    for file in base.iterdir():
        if re.match(r"(tokenizer|vocab|merges|special_tokens)", file.name):
            shutil.copyfile(file, part / file.name)
    os.replace(part, out)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
