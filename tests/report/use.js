// Put into a report by browse.py: uses the page as a person would and writes down what it showed.
(async () => {
  const used = { errors: [], refused: [], stops: [], cells: [], quantities: {} };
  window.addEventListener("error", (event) => used.errors.push(event.message));
  document.addEventListener("securitypolicyviolation", (event) => used.refused.push(event.blockedURI));
  const by = (id) => document.getElementById(id);
  const send = (target, type, options) => target.dispatchEvent(new (type.startsWith("pointer") ? PointerEvent : type.startsWith("key") ? KeyboardEvent : Event)(type, { bubbles: true, cancelable: true, ...options }));
  const choose = (id, value) => { by(id).value = value; send(by(id), "change"); };
  const settled = () => new Promise((done) => setTimeout(done, 50));

  function channels(color) {
    const parts = color.match(/[\d.]+/g).map(Number);
    return parts.length === 4 && parts[3] === 0 ? null : parts.slice(0, 3);
  }
  function luminance(rgb) {
    const [r, g, b] = rgb.map((c) => c / 255).map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }
  function ground(node) {
    for (; node; node = node.parentElement) {
      const color = channels(getComputedStyle(node).backgroundColor);
      if (color) return color;
    }
    return [255, 255, 255];
  }
  function faintTexts() {
    const faint = new Set(), walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const node = walker.currentNode.parentElement;
      if (!walker.currentNode.data.trim() || ["SCRIPT", "STYLE", "NOSCRIPT", "PRE", "OPTION"].includes(node.tagName) || !node.getClientRects().length) continue;
      const a = luminance(channels(getComputedStyle(node).color)), b = luminance(ground(node));
      if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5) faint.add(`${node.tagName}.${node.className}: ${walker.currentNode.data}`);
    }
    return [...faint];
  }
  function unnamed() {
    return [...document.querySelectorAll("input, select, button, canvas, [tabindex]")].filter((control) =>
      !(control.labels?.length || control.getAttribute("aria-label") || control.getAttribute("aria-labelledby") || control.textContent.trim() && control.tagName === "BUTTON"))
      .map((control) => control.outerHTML.slice(0, 80));
  }

  await settled();
  used.dark = matchMedia("(prefers-color-scheme: dark)").matches;
  used.title = document.title;
  used.heading = by("title").textContent;
  used.requests = performance.getEntriesByType("resource").length;
  choose("coloring", "surprisal");
  for (let stop = 0; stop <= Number(by("slider").max); ++stop) {
    by("slider").value = stop;
    send(by("slider"), "input");
    await settled();
    const spans = [...document.querySelectorAll("#text .colored")];
    used.stops.push({ name: by("slider").getAttribute("aria-valuetext"), text: by("text").textContent, colored: spans.length,
      colors: new Set(spans.map((span) => span.style.background)).size, map: by("heatmap").toDataURL(), split_hidden: by("split").hidden });
  }
  used.overflow = document.documentElement.scrollWidth - window.innerWidth;
  used.faint = faintTexts();
  used.unnamed = unnamed();

  // A cell by the pointer, a click, then two by the keys. The map says itself where its cells are.
  choose("quantity", "mlp");
  const token = Number(document.querySelector("#text span:not(.given)[data-token]:nth-last-child(6)").dataset.token), layer = 3;
  heatmap.state.select(token, layer); // brings the column into view
  await settled();
  const bounds = by("heatmap").getBoundingClientRect();
  const at = { clientX: bounds.left + heatmap.x(token - 1) + heatmap.across / 2, clientY: bounds.top + heatmap.y(layer + 1) + heatmap.up / 2 };
  send(by("heatmap"), "pointermove", at);
  used.cells.push({ how: "pointer", token: token - 1, layer: layer + 1, words: by("readout").textContent });
  send(by("heatmap"), "pointerleave");
  used.cells.push({ how: "back at the cursor", token, layer, words: by("readout").textContent });
  send(by("heatmap"), "keydown", { key: "ArrowLeft" });
  send(by("heatmap"), "keydown", { key: "ArrowDown" });
  used.cells.push({ how: "keys", token: token - 1, layer: layer - 1, words: by("readout").textContent });
  send(by("text"), "keydown", { key: "ArrowRight" });
  used.cells.push({ how: "keys in the text", token, layer: layer - 1, words: by("readout").textContent });
  document.querySelector(`#text span[data-token="${token - 2}"]`).click();
  used.card = { token: token - 2, words: by("card").textContent };

  for (const option of [...by("quantity").options].map((entry) => entry.value)) {
    choose("quantity", option);
    used.quantities[option] = by("heatlegend").textContent;
  }
  by("tokenlist").open = true;
  await settled();
  used.rows = by("tokens").rows.length;
  used.numbers = [...by("numbers").rows].map((row) => row.textContent);
  used.made = by("made").textContent;
  const result = document.createElement("pre");
  result.id = "used";
  result.textContent = JSON.stringify(used);
  document.body.append(result);
})();
