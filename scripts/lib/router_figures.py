"""Tables and pictures of docs/routers.md, from the numbers that scripts/router-page gathered."""

import results_page
from svg import COLORS, Drawing, nice

BLOCKS = {"heads": "attention: share of the heads", "mlp": "MLP: share of the neurons"}
CLASSES = ["begin and end marks", "first of a sentence", "name", "word start", "inside a word", "punctuation"]


def frame(out, left, top, width, height, low, high, step, title):
    """A plot's grid and title; the function that maps a value to its y."""
    def y_of(value):
        return top + height - (value - low) / (high - low) * height
    for i in range(round((high - low) / step) + 1):
        value = low + i * step
        out.line(left, y_of(value), left + width, y_of(value))
        out.label(left - 8, y_of(value) + 4, f"{value:.6g}", "end")
    out.label(left, top - 14, title, "start")
    return y_of


def by_layer(looks):
    """Mean width by layer, a line a stop."""
    out = Drawing(740, 330)
    for panel, (block, title) in enumerate(BLOCKS.items()):
        left, width = 50 + panel * 350, 270
        y_of = frame(out, left, 50, width, 210, 0.0, 1.0, 0.2, title)
        for i, (stop, told) in enumerate(looks.items()):
            shares = told["classes"]["all"][block]
            points = [(left + (l + 0.5) * width / len(shares), y_of(s)) for l, s in enumerate(shares)]
            out.path(points, COLORS[i])
            for x, y in points:
                out.dot(x, y, COLORS[i])
            if panel == 0:
                out.dot(180 + 90 * i, 318, COLORS[i])
                out.label(188 + 90 * i, 322, f"stop {stop}", "start")
        for l in range(len(shares)):
            out.label(left + (l + 0.5) * width / len(shares), 278, l)
        out.label(left + width / 2, 296, "layer")
    return out.text()


def by_class(looks):
    """{text: look at one stop}: mean width of each class of tokens, less the text's mean."""
    out = Drawing(740, 320)
    for panel, (block, title) in enumerate(BLOCKS.items()):
        left, width = 150 + panel * 310, 250
        values = [(t, c, told["classes"][c]) for t, told in looks.items() for c in CLASSES if c in told["classes"]]
        offsets = [e[f"{block}_mean"] - looks[t]["classes"]["all"][f"{block}_mean"] for t, _, e in values]
        low, high, step = nice(min(offsets + [0]), max(offsets + [0]))

        def x_of(value):
            return left + (value - low) / (high - low) * width
        for i in range(round((high - low) / step) + 1):
            value = low + i * step
            out.line(x_of(value), 44, x_of(value), 250, opacity=0.6 if abs(value) < 1e-9 else 0.15)
            out.label(x_of(value), 268, f"{value:+.2g}" if abs(value) > 1e-9 else "0")
        out.label(left, 26, title + ", less the mean", "start")
        for (text, name, _), offset in zip(values, offsets):
            row = 50 + CLASSES.index(name) * 34
            number = list(looks).index(text)
            y = row + 4 + 12 * number
            out.box(min(x_of(0), x_of(offset)), y, abs(x_of(offset) - x_of(0)), 10, COLORS[number])
            if panel == 0 and number == 0:
                out.label(142, row + 18, name, "end")
    for number, text in enumerate(looks):
        out.box(160 + 130 * number, 292, 12, 12, COLORS[number])
        out.label(178 + 130 * number, 303, text, "start")
    return out.text()


def class_by_layer(look):
    """Where the classes differ: each class's mean width less all tokens', by layer; blue is wider, orange narrower."""
    classes = [c for c in CLASSES if c in look["classes"]]
    everything = look["classes"]["all"]
    layers = len(everything["mlp"])
    most = max(abs(look["classes"][c][b][l] - everything[b][l]) for c in classes for b in BLOCKS for l in range(layers)) or 1.0
    out = Drawing(740, 70 + 26 * len(classes) + 40)
    for panel, (block, title) in enumerate(BLOCKS.items()):
        left, cell = 150 + panel * 300, 34
        out.label(left, 26, title, "start")
        for row, name in enumerate(classes):
            if panel == 0:
                out.label(142, 58 + 26 * row, name, "end")
            for l in range(layers):
                offset = look["classes"][name][block][l] - everything[block][l]
                out.box(left + l * cell, 40 + 26 * row, cell - 2, 24, COLORS[0] if offset > 0 else COLORS[1], 0.9 * abs(offset) / most)
                out.label(left + l * cell + cell / 2 - 1, 57 + 26 * row, f"{round(100 * offset):+d}".replace("+0", "0"), extra='font-size="11"')
        for l in range(layers):
            out.label(left + l * cell + cell / 2 - 1, 56 + 26 * len(classes), l)
        out.label(left + layers * cell / 2, 76 + 26 * len(classes), "layer")
    return out.text()


def sample(tokens):
    """A beginning of a text, every token on the width that it was read with."""
    shares = [(sum(t["heads"]) + sum(t["mlp"])) / (2 * len(t["mlp"])) for t in tokens]
    told = [(t["piece"].replace("\n", "⏎"), s) for t, s in zip(tokens, shares) if t["piece"]]
    low, high = min(s for _, s in told), max(s for _, s in told)
    lines, width = [[]], 0
    for piece, share in told:
        if width + len(piece) > 85:
            lines.append([])
            width = 0
        lines[-1].append((piece, share, width))
        width += len(piece)
    out = Drawing(740, 30 * len(lines) + 50)
    for row, line in enumerate(lines):
        for piece, share, at in line:
            x, y, long = 12 + 8.4 * at, 26 + 30 * row, 8.4 * len(piece)
            out.box(x, y - 16, long, 22, COLORS[0], 0.75 * (share - low) / (high - low))
            shown = piece.replace("&", "&amp;").replace("<", "&lt;")
            out.add(f'<text x="{x:.1f}" y="{y:.1f}" font-family="monospace" font-size="14" '
                    f'xml:space="preserve" textLength="{long:.1f}">{shown}</text>')
    y = 30 * len(lines) + 22
    for i in range(5):
        out.box(12 + 22 * i, y, 22, 14, COLORS[0], 0.75 * i / 4)
    out.label(130, y + 12, f"read with {100 * low:.0f} % (light) to {100 * high:.0f} % (dark) of the width", "start")
    return out.text()


def controls(numbers):
    """What shuffling and uniform widths cost, by stop."""
    texts = list(dict.fromkeys(s["text"] for s in numbers["report"]["stops"]))
    out = Drawing(740, 320)
    stops = sorted({s["asked"] for s in numbers["report"]["stops"] if "dynamic" in s}, reverse=True)
    compared = {(s["text"], s["asked"], c): s["dynamic"][c]["against_routers"] for s in numbers["report"]["stops"]
                if "dynamic" in s for c in ("shuffled", "uniform")}
    low, high, step = nice(min(0.0, *(c["low"] for c in compared.values())), max(c["high"] for c in compared.values()))
    for panel, text in enumerate(texts):
        left, width = 60 + panel * 350, 260
        y_of = frame(out, left, 50, width, 200, low, high, step, f"{text}: nats a token above the routers")
        for i, control in enumerate(("shuffled", "uniform")):
            points = []
            for place, stop in enumerate(stops):
                told = compared.get((text, stop, control))
                if told:
                    x = left + (place + 0.5 + 0.06 * i) * width / len(stops)
                    points.append((x, y_of(told["difference"])))
                    out.dot(*points[-1], COLORS[i], (y_of(told["low"]) - y_of(told["high"])) / 2)
            out.path(points, COLORS[i])
        for place, stop in enumerate(stops):
            out.label(left + (place + 0.5) * width / len(stops), 268, f"{stop:g}")
        out.label(left + width / 2, 286, "stop")
    for i, control in enumerate(("choices shuffled between tokens", "uniform widths of the same cost")):
        out.dot(120 + 270 * i, 309, COLORS[i])
        out.label(130 + 270 * i, 313, control, "start")
    return out.text()


def percent(value):
    return f"{100 * value:.1f}"


def kinds_table(numbers):
    stop = f"{numbers['stop']:g}"
    lines = [f"| text, stop {stop} | tokens | heads, % | MLP, % | width goes with the next token's loss, r |", "|---|---|---|---|---|"]
    for text, looks in numbers["looks"].items():
        told = looks[stop]
        every = told["classes"]["all"]
        lines.append(f"| {text} | {every['n']:,} | {percent(every['heads_mean'])} ± {percent(every['heads_error'])} | "
                     f"{percent(every['mlp_mean'])} ± {percent(every['mlp_error'])} | {told['correlation_with_next_loss']:+.2f} |")
    return "\n".join(lines)


def classes_table(looks, stop):
    lines = [f"| class, stop {stop} | " + " | ".join(f"{t}: tokens | heads, % | MLP, %" for t in looks) + " |",
             "|---" * (1 + 3 * len(looks)) + "|"]
    for name in CLASSES + ["all"]:
        cells = [name]
        for told in looks.values():
            e = told["classes"].get(name)
            cells += [f"{e['n']:,}", f"{percent(e['heads_mean'])} ± {percent(e['heads_error'])}",
                      f"{percent(e['mlp_mean'])} ± {percent(e['mlp_error'])}"] if e else ["", "", ""]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def controls_table(numbers):
    lines = ["| text | stop | cost | loss | shuffled | uniform, same cost | uses its input |", "|---|---|---|---|---|---|---|"]

    def told(control):
        c = control["against_routers"]
        return f"{c['difference']:+.4f} ({c['low']:+.4f} to {c['high']:+.4f})"
    rows = [(s["text"], s) for s in numbers["report"]["stops"]]
    rows += [(f"{s['text']}, random weights {i + 1}", s) for i, stops in enumerate(numbers["random"]) for s in stops]
    for text, stop in rows:
        if "dynamic" not in stop:
            continue
        d = stop["dynamic"]
        lines.append(f"| {text} | {stop['asked']:g} | {d['cost']:.3f} | {d['nll']:.4f} | {told(d['shuffled'])} | {told(d['uniform'])} | "
                     f"{'yes' if d['uses_its_input'] else 'no'} |")
    return "\n".join(lines)


def static_table(numbers):
    lines = ["| stop | cost | loss | uniform, same cost | sub-network |", "|---|---|---|---|---|"]
    first = numbers["report"]["stops"][0]["text"]
    for stop in numbers["report"]["stops"]:
        if stop["text"] == first and "static" in stop:
            s, c = stop["static"], stop["static"]["uniform"]["against_routers"]
            lines.append(f"| {stop['asked']:g} | {s['cost']:.3f} | {s['nll']:.4f} | {c['difference']:+.4f} | {s['subnet']} |")
    return "\n".join(lines)


def merged(listed):
    """Pieces that differ only by the space before them become one."""
    found = {}
    for mean, count, piece in listed:
        word = piece.strip()
        total, seen = found.get(word, (0.0, 0))
        found[word] = total + mean * count, seen + count
    return [(total / seen, word) for word, (total, seen) in found.items()]


def words_text(numbers):
    stop, lines = f"{numbers['stop']:g}", []
    for text in numbers["sample"]:
        told = numbers["looks"][text][stop]
        for what in ("narrowest", "widest"):
            listed = ", ".join(f"`{word}` {100 * mean:.0f}" for mean, word in merged(told[what]) if word)
            lines.append(f"- {text}, {what} (mean % of width; pieces met at least 40 times): {listed}")
    return "\n".join(lines)


def write(docs, numbers):
    stop = f"{numbers['stop']:g}"
    read = {t: numbers["looks"][t][stop] for t in numbers["sample"]}
    first = next(iter(read))
    pictures = {"layers": by_layer(numbers["looks"][first]), "classes": by_class(read), "class-by-layer": class_by_layer(read[first]),
                "sample": sample(numbers["sample"][first]), "controls": controls(numbers)}
    for name, picture in pictures.items():
        (docs / "images" / f"routers-{name}.svg").write_text(picture, encoding="utf-8")

    def image(name, what):
        return f"![{what}](images/routers-{name}.svg)"
    parts = ["### By layer", image("layers", f"Mean width by layer and stop, {first}"),
             "### By class of token", image("classes", "Mean width by class of token"), classes_table(read, stop),
             image("class-by-layer", "Difference from the mean width by class and layer"),
             image("sample", "A story on the widths it was read with"), words_text(numbers),
             "### By kind of text", kinds_table(numbers),
             "### Controls", image("controls", "What shuffled choices and uniform widths cost"), controls_table(numbers),
             "### The static router", static_table(numbers)]
    results_page.write_section(docs / "routers.md", "routers", "\n\n".join(parts))
