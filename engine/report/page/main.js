// Ties the parts together: one state, drawn whenever it changes, kept in the address so that a place can be shared.
const state = { stop: 0, token: null, layer: 0, coloring: "plain", quantity: "mlp" };
const heatmap = new Heatmap(state, select);

function stopFacts(pane) {
  const facts = [pane.routing === "dynamic" ? `dynamic routing, asked for ${percent(pane.budget, 1)} of the full model's FLOPs`
    : pane.subnet === "" ? pane.routing : `${pane.routing}: ${pane.subnet}`];
  const share = meanOf(pane.ids.length, (token) => tokenShare(pane, token));
  if (share !== null) facts.push(`${percent(share)} of the full layers' FLOPs in the mean`);
  const count = pane.ids.length - pane.given;
  facts.push(written(pane) ? `${count} ${count === 1 ? "token" : "tokens"} written` : `${pane.ids.length} tokens read`);
  const ends = { max_tokens: "limit reached", stop_id: "ended by itself", stop_text: "ended at the stop text", context: "context full", cancelled: "stopped" };
  if (ends[pane.stop_reason]) facts.push(ends[pane.stop_reason]);
  return facts.join(" · ");
}

function draw() {
  const pane = report.panes[state.stop];
  const slider = element("slider");
  slider.value = state.stop;
  slider.setAttribute("aria-valuetext", pane.name);
  [...element("ticks").children].forEach((tick, index) => tick.classList.toggle("chosen", index === state.stop));
  element("stopfacts").textContent = stopFacts(pane);
  fillChoice(element("quantity"), kCellQuantities, "quantity", []);
  fillChoice(element("coloring"), kTokenQuantities, "coloring", [["plain", "nothing"]]);
  drawText(state);
  heatmap.layout();
  fillHeatLegend(heatmap);
  drawChosen();
  drawNumbers(state);
  drawTokens(state);
}

// What this stop has, with what is chosen; what it does not have gives way to the first.
function fillChoice(box, quantities, key, before) {
  const pane = report.panes[state.stop];
  const entries = [...before, ...Object.entries(quantities).filter(([, quantity]) => !quantity.has || quantity.has(pane))
    .map(([id, quantity]) => [id, quantity.name])];
  if (!entries.some(([id]) => id === state[key])) state[key] = entries[0][0];
  box.replaceChildren(...entries.map(([id, name]) => {
    const option = make("option", name);
    option.value = id;
    return option;
  }));
  box.value = state[key];
}

function drawChosen() {
  markToken(state);
  heatmap.reveal();
  heatmap.draw();
  heatmap.read();
  drawCard(state);
  drawSplit(state);
  remember();
}

function select(token, layer) {
  state.token = token;
  state.layer = layer;
  drawChosen();
}

function setStop(stop) {
  state.stop = Math.min(report.panes.length - 1, Math.max(0, stop));
  if (state.token !== null) state.token = Math.min(state.token, report.panes[state.stop].ids.length - 1);
  draw();
}
state.select = select;
state.setStop = setStop;

function remember() {
  const parts = [`stop=${state.stop}`, `layer=${state.layer}`, `coloring=${state.coloring}`, `quantity=${state.quantity}`];
  if (state.token !== null) parts.push(`token=${state.token}`);
  history.replaceState(null, "", "#" + parts.join("&"));
}

function recall() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const number = (key, count) => {
    const value = Number(wanted.get(key) ?? NaN);
    return Number.isInteger(value) && value >= 0 && value < count ? value : null;
  };
  state.stop = number("stop", report.panes.length) ?? 0;
  const pane = report.panes[state.stop];
  state.token = number("token", pane.ids.length) ?? (written(pane) ? pane.given : Math.min(1, pane.ids.length - 1));
  state.layer = number("layer", report.model.layers) ?? 0;
  if (wanted.get("coloring") in kTokenQuantities) state.coloring = wanted.get("coloring");
  if (wanted.get("quantity") in kCellQuantities) state.quantity = wanted.get("quantity");
}

function start() {
  element("title").textContent = report.prompt === "" ? `A text read by ${report.model.name}` : report.prompt;
  element("facts").textContent = `${report.model.name}, one prompt, ` + (report.panes.length === 1 ? "one size" : `${report.panes.length} sizes of the same model`) +
    ` · seed ${report.sampler.seed} · ${samplerWords()}`;
  const slider = element("slider");
  slider.max = report.panes.length - 1;
  slider.disabled = report.panes.length === 1;
  slider.addEventListener("input", () => setStop(Number(slider.value)));
  element("ticks").replaceChildren(...report.panes.map((pane, index) => {
    const tick = make("span", pane.name);
    tick.style.left = report.panes.length > 1 ? `${100 * index / (report.panes.length - 1)}%` : "0";
    tick.addEventListener("click", () => setStop(index));
    return tick;
  }));
  element("coloring").addEventListener("change", (event) => { state.coloring = event.target.value; draw(); });
  element("quantity").addEventListener("change", (event) => { state.quantity = event.target.value; draw(); });
  element("tokenlist").addEventListener("toggle", () => drawTokens(state));
  window.addEventListener("hashchange", () => { recall(); draw(); });
  connectText(state, select);
  recall();
  fillSources();
  fillMade();
  draw();
}
start();
