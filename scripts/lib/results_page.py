"""Tables, plots and claims of docs/results.md, from the numbers that scripts/results measured."""

import math
import os
import statistics

from svg import COLORS, Drawing, nice

NAMES = {"searched": "searched, no routers", "small": "small, from scratch", "nested": "nested, no sort",
         "fewer layers": "fewer layers", "shallow": "fewer, trained"}
OTHERS = {"small": "(a) small models", "nested": "(b) nested training", "sort only": "(c) the sort alone", "fewer layers": "(d) fewer layers",
          "shallow": "(d) fewer layers, trained", "searched": "(e) searched sub-networks", "uniform": "uniform widths of the same model"}


def loss_of(row, text):
    """Mean over seeds, standard error over documents, standard deviation between seeds (None for one)."""
    means = [seed["texts"][text]["nll_mean"] for seed in row["seeds"]]
    errors = [seed["texts"][text]["stderr"] for seed in row["seeds"]]
    return statistics.mean(means), statistics.mean(errors), statistics.stdev(means) if len(means) > 1 else None


def mean_of(row, key):
    return statistics.mean(seed[key] for seed in row["seeds"])


def loss_cells(row, text):
    loss, error, spread = loss_of(row, text)
    return [f"{loss:.3f} ± {error:.3f}" + (f" s {spread:.3f}" if spread is not None else ""), f"{math.exp(loss):.2f}"]


def table(results):
    timed = any(seed["ms"] is not None for row in results["rows"] for seed in row["seeds"])
    head = ["model", "asked", "cost", *(["ms, measured"] if timed else []), "ms, predicted", "parameters"]
    for text in results["texts"]:
        head += [f"loss, {text}", f"perplexity, {text}"]
    head += [f"accuracy, {results.get('task_name') or task}" for task in results["tasks"]]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in results["rows"]:
        measured = [seed["ms"] for seed in row["seeds"] if seed["ms"] is not None]
        cells = [row["name"], f"{row['budget']:g}" if row["budget"] else "", f"{mean_of(row, 'cost'):.3f}",
                 *([f"{statistics.mean(measured):.3f}" if measured else ""] if timed else []), f"{mean_of(row, 'predicted_ms'):.3f}",
                 f"{mean_of(row, 'parameters') / 1e6:.2f}M"]
        for text in results["texts"]:
            cells += loss_cells(row, text)
        for task in results["tasks"]:
            told = row["seeds"][0]["tasks"][task]
            cells.append(f"{100 * told['accuracy']:.1f} ± {100 * told['stderr']:.1f} %")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def curve(results, group, text):
    """(cost, loss, error) of a group from the cheapest on. Members of the elastic model end at its full size, baselines that
    are made of the base at the base; nested training brings a full size of its own."""
    family = group in ("static", "dynamic", "uniform", "searched")
    rows = [r for r in results["rows"] if r["group"] == group or (family and r["group"] == "full")
            or (group in ("small", "shallow", "sort only", "fewer layers") and r["group"] == "base")]
    if not any(r["group"] == group for r in rows):
        return []
    return sorted((mean_of(r, "cost"), *loss_of(r, text)[:2]) for r in rows)


def front(points):
    """Without those that another one beats, at no more cost: nobody would choose them."""
    return [p for p in points if not any(q[0] <= p[0] and q[1] < p[1] for q in points)]


def at_cost(points, cost):
    """Loss and its error on the line through the points; None outside of them."""
    for (x0, y0, e0), (x1, y1, e1) in zip(points, points[1:]):
        if x0 <= cost <= x1:
            part = (cost - x0) / (x1 - x0) if x1 > x0 else 0.0
            return y0 + part * (y1 - y0), max(e0, e1)
    return None


def verdict(gains, budgets):
    """{budget: gain} in words. A claim about every target is kept or broken target by target."""
    told = ", ".join(f"{gain:+.3f} at {budget:g}" for budget, gain in gains.items())
    lost = [f"{budget:g}" for budget, gain in gains.items() if gain <= 0]
    missing = [f"{budget:g}" for budget in budgets if budget not in gains]
    words = "reproduced" if not lost else "not reproduced" if len(lost) == len(gains) else f"reproduced, but not at {', '.join(lost)}"
    return told + ": " + words + (f" (at {', '.join(missing)} there is nothing to compare)" if missing else "")


def claims(results, budgets):
    lines = []
    share = results["training"].get("share_of_base_tokens")
    if share is not None:
        lines.append(f"- **At most 7.63 % of the base's tokens**: {100 * share:.2f} %: {'reproduced' if share <= 0.0763 else 'not reproduced'}.")
    groups = {r["group"] for r in results["rows"]}
    of = {r["group"]: r for r in results["rows"] if r["group"] in ("base", "full")}
    for text in results["texts"]:
        if "full" in of:
            base, full = loss_of(of["base"], text)[0], loss_of(of["full"], text)[0]
            lines.append(f"- **The full model loses at most 0.5 % of its loss**, {text}: {base:.4f} to {full:.4f}, "
                         f"{100 * (full / base - 1):+.2f} %: {'reproduced' if full <= 1.005 * base else 'not reproduced'}.")
        own = {g: front(curve(results, g, text)) for g in ("static", "dynamic")}
        for group, name in OTHERS.items():
            if group not in groups:
                continue
            other, gains = front(curve(results, group, text)), {}
            for budget in budgets:
                best = [v for v in (at_cost(own[g], budget) for g in own if own[g]) if v]
                theirs = at_cost(other, budget)
                if best and theirs:
                    gains[budget] = theirs[0] - min(best)[0]
            if gains:
                lines.append(f"- **Better than {name} at equal cost**, {text}, nats: {verdict(gains, budgets)}.")
        gains = {}
        for budget in budgets:
            static, dynamic = at_cost(own["static"], budget), at_cost(own["dynamic"], budget)
            if static and dynamic:
                gains[budget] = static[0] - dynamic[0]
        if gains:
            lines.append(f"- **Dynamic no worse than static at equal mean cost**, {text}, nats gained: {verdict(gains, budgets)}.")
    return "\n".join(lines)


def ablation_table(results):
    """A line a variant and text: the full model, then the loss at each budget's own cost under each routing."""
    rows = results["ablations"]
    if not rows:
        return ""
    budgets = sorted({r["budget"] for r in rows if r["budget"]}, reverse=True)
    lines = ["### Ablations", "", "Loss, and in brackets the cost that it was had at.", ""]
    for text in results["texts"]:
        head = [f"variant, {text}", "routing", "full"] + [f"{b:g}" for b in budgets]
        lines += ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
        for name in dict.fromkeys(r["name"] for r in rows):
            of = {(r["group"], r["budget"]): r for r in rows if r["name"] == name}
            for routing in ("uniform", "static", "dynamic"):
                cells = [loss_of(of["full", None], text)[0]] if ("full", None) in of else []
                told = [f"{cells[0]:.3f}" if cells else ""]
                for budget in budgets:
                    row = of.get((routing, budget))
                    told.append(f"{loss_of(row, text)[0]:.3f} ({mean_of(row, 'cost'):.2f})" if row else "")
                if any(told[1:]):
                    lines.append("| " + " | ".join([name, routing, *told]) + " |")
        lines.append("")
    return "\n".join(lines)


def plot(results, text):
    groups = ["dynamic", "static", "uniform", "searched", "small", "nested", "sort only", "fewer layers", "shallow"]
    curves = [(g, curve(results, g, text)) for g in groups]
    curves = [(g, c) for g, c in curves if c]
    points = [p for _, c in curves for p in c]
    floor = min(p[1] for p in points)
    ceiling = min(max(p[1] + p[2] for p in points), floor + 0.9)  # what falls apart would flatten all else
    x0, x1, dx = nice(min(p[0] for p in points), max(p[0] for p in points))
    y0, y1, dy = nice(floor, ceiling)

    def px(x):
        return 70 + (x - x0) / (x1 - x0) * 500

    def py(y):
        return 390 - (y - y0) / (y1 - y0) * 340
    out = Drawing(740, 450)
    out.add('<clipPath id="c"><rect x="70" y="46" width="504" height="346"/></clipPath>')
    for i in range(round((x1 - x0) / dx) + 1):
        out.line(px(x0 + i * dx), py(y0), px(x0 + i * dx), py(y1))
        out.label(px(x0 + i * dx), 410, f"{x0 + i * dx:.6g}")
    for i in range(round((y1 - y0) / dy) + 1):
        out.line(px(x0), py(y0 + i * dy), px(x1), py(y0 + i * dy))
        out.label(62, py(y0 + i * dy) + 4, f"{y0 + i * dy:.6g}", "end")
    out.label(320, 438, "predicted milliseconds, share of the base model's")
    out.label(70, 28, f"loss on {text}, nats a token", "start")
    for i, (group, line) in enumerate(curves):
        color = COLORS[groups.index(group) % len(COLORS)]
        out.add('<g clip-path="url(#c)">')
        out.path([(px(x), py(y)) for x, y, _ in line], color, dash=groups.index(group) >= 4)
        for x, y, e in line:
            out.dot(px(x), py(y), color, py(y - e) - py(y))
        out.add("</g>")
        out.dot(592, 56 + 20 * i, color)
        out.label(602, 60 + 20 * i, NAMES.get(group, group), "start")
    return out.text()


def write_section(file, name, section):
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    text = file.read_text(encoding="utf-8") if file.exists() else "# Results\n"
    section = f"{begin}\n{section}\n{end}"
    if begin in text:
        text = text[:text.index(begin)] + section + text[text.index(end) + len(end):]
    else:
        text = text.rstrip("\n") + "\n\n" + section + "\n"
    file.with_suffix(".part").write_text(text, encoding="utf-8")
    os.replace(file.with_suffix(".part"), file)


def write(docs, name, results, budgets):
    """The plots, and the section of docs/results.md."""
    images = docs / "images"
    images.mkdir(parents=True, exist_ok=True)
    section = [f"Measured on {results['date']}, {results['device']}: {results['machine']}. Cost: predicted milliseconds over the "
               "base model's. Loss in nats a token, ± its standard error over documents, s the standard deviation between seeds.",
               "", table(results), ""]
    for text in results["texts"]:
        image = images / f"results-{name}-{text}.svg"
        image.write_text(plot(results, text), encoding="utf-8")
        section += [f"![Loss against cost, {text}](images/{image.name})", ""]
    section += [claims(results, budgets), ""]
    section += [f"- Left out: {refusal}" for refusal in results.get("refused", [])] + [""]
    section.append(ablation_table(results))
    write_section(docs / "results.md", name, "\n".join(section).rstrip())
