#!/usr/bin/env python3
"""Opens a report in headless Chromium and uses it: slider, keys, pointer, colours, at two widths, light and dark.

  browse.py FLEXTRON MODEL
Exit code 77 (CTest: skipped), with the reason, where there is no Chromium.
"""
import html
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROMPT = """Once upon a time "Lily" </script><script>document.title='harmed'</script> met <b>Tom</b> & 'the' dragon"""
here = Path(__file__).parent
program, model = sys.argv[1:3]
browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if not browser:
    print("skipped: Chromium is not installed")
    sys.exit(77)
folder = Path(tempfile.mkdtemp())


def check(what, found, expected=True):
    assert found == expected, f"{what}: expected {expected!r}, found {found!r}"


def browse(page, size, dark):
    """What use.js says after using the page."""
    used = folder / "used.html"
    script = (here / "use.js").read_text()
    used.write_text(page.replace("</body>", f"<script>{script}</script></body>"))
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={folder}/profile",
               "--host-resolver-rules=MAP * ~NOTFOUND", f"--window-size={size}", f"--blink-settings=preferredColorScheme={0 if dark else 1}",
               "--virtual-time-budget=20000", "--dump-dom", used.as_uri()]
    dom = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=120).stdout
    found = re.search(r'<pre id="used">(.*?)</pre>', dom, re.DOTALL)
    assert found, f"the page's script did not come to its end: {dom[-2000:]}"
    return json.loads(html.unescape(found[1]))


def check_use(used, panes, size, dark):
    check("errors", used["errors"], [])
    check("the browser is dark", used["dark"], dark)
    check("title", used["title"], f"{Path(model).name}: one prompt, 3 sizes")
    check("heading", used["heading"], PROMPT)
    check("requests", used["requests"], 0)
    check("refused by the page's policy", used["refused"], [])
    check("controls without a name", used["unnamed"], [])
    check("text with less contrast than 4.5 to 1", used["faint"], [])
    assert used["overflow"] <= 0, f"at {size} the page is {used['overflow']} pixels too wide"
    check("stops", [stop["name"] for stop in used["stops"]], ["full", "0.8", "0.6:dynamic"])
    for stop, pane in zip(used["stops"], panes):
        check(f"text of {stop['name']}", stop["text"], PROMPT + pane["text"])
        assert stop["colored"] > 10 and stop["colors"] > 3, f"{stop['name']}: {stop['colored']} tokens in {stop['colors']} colours"
        check(f"{stop['name']}: hidden card of the split", stop["split_hidden"], pane["first_divergence"] is None)
    pictures = {stop["map"] for stop in used["stops"]}
    check("different maps", len(pictures), 3)
    # The dynamic stop, layer 3: what the pointer and the keys read is what the command line says.
    first, given = panes[2]["tokens"], len(panes[2]["prompt_ids"])
    for cell in used["cells"]:
        token = first[cell["token"] - given]
        expected = f"layer {cell['layer']}: {token['mlp'][cell['layer']]} of 704 neurons"
        assert expected in cell["words"], f"{cell['how']}: expected {expected}, found {cell['words']}"
    card = panes[2]["tokens"][used["card"]["token"] - given]
    assert f"id {card['id']}" in used["card"]["words"], used["card"]["words"]
    check("rows of the tokens' table", used["rows"], given + len(first) + 1)
    for quantity in ("heads", "compute", "time", "mlpmargin", "headsmargin"):
        assert used["quantities"].get(quantity), f"{quantity} is missing: {used['quantities']}"
    check("numbers", len(used["numbers"]), 4)
    assert re.search(r"\d+\.\d ± \d+\.\d %", used["numbers"][3]), used["numbers"][3]
    assert re.search(r"\d, measured", used["numbers"][3]), used["numbers"][3]
    made = used["made"]
    for wanted in ("hash ", "greedy", "Flextron Explorer ", "flextron report ", "Seed"):
        assert wanted in made, f"{wanted} is missing in {made}"


def main():
    out = folder / "report.html"
    done = subprocess.run([program, "report", model, "-p", PROMPT, "--stops", "full,0.8,0.6:dynamic", "--max-tokens", "24", "--seed", "7",
                           "--out", out, "--json"], stdout=subprocess.PIPE, text=True, check=True)
    panes = json.loads(done.stdout)["panes"]
    assert out.stat().st_size <= 2_000_000, out.stat().st_size
    page = out.read_text()
    for size in ("1280,720", "390,844"):
        for dark in (False, True):
            check_use(browse(page, size, dark), panes, size, dark)


try:
    main()
finally:
    shutil.rmtree(folder, ignore_errors=True)
