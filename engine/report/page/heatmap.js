// Layers by tokens on a canvas that shows the part in view of a map as wide as the text is long.
const kHeat = { left: 46, right: 10, top: 8, bottom: 34, smallest: 7, largest: 22 };

class Heatmap {
  constructor(state, select) {
    this.state = state;
    this.canvas = element("heatmap");
    this.box = element("heat");
    this.hovered = null;
    this.box.addEventListener("scroll", () => this.draw());
    new ResizeObserver(() => this.layout()).observe(this.box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.canvas.addEventListener("pointermove", (event) => this.hover(this.cellAt(event)));
    this.canvas.addEventListener("pointerleave", () => this.hover(null));
    this.canvas.addEventListener("click", (event) => {
      const cell = this.cellAt(event);
      if (cell) select(cell.token, cell.layer);
    });
    this.canvas.addEventListener("keydown", (event) => this.key(event, select));
  }

  get pane() { return report.panes[this.state.stop]; }
  get quantity() { return kCellQuantities[this.state.quantity]; }
  get tokens() { return this.pane.ids.length; }
  get layers() { return report.model.layers; }

  layout() {
    const room = this.box.clientWidth - kHeat.left - kHeat.right;
    this.across = Math.min(kHeat.largest, Math.max(kHeat.smallest, room / this.tokens));
    this.up = Math.min(kHeat.largest, Math.max(3, Math.floor(300 / this.layers)));
    this.width = this.box.clientWidth;
    this.height = kHeat.top + this.layers * this.up + kHeat.bottom;
    element("heatspace").style.width = Math.max(this.width, Math.ceil(kHeat.left + this.tokens * this.across + kHeat.right)) + "px";
    const scale = window.devicePixelRatio || 1;
    this.canvas.style.width = this.width + "px";
    this.canvas.style.height = this.height + "px";
    this.canvas.width = Math.round(this.width * scale);
    this.canvas.height = Math.round(this.height * scale);
    this.draw();
  }

  // The colours' upper end: fixed, or the largest value of all stops, so that stops can be held against each other.
  high() {
    const quantity = this.quantity;
    if (quantity.high !== undefined) return quantity.high;
    let high = 0;
    for (const pane of report.panes) {
      if (quantity.has && !quantity.has(pane)) continue;
      for (let layer = 0; layer < this.layers; ++layer)
        for (let token = 0; token < pane.ids.length; ++token) high = Math.max(high, quantity.value(pane, layer, token) ?? 0);
    }
    return high > 0 ? high : 1;
  }

  x(token) { return kHeat.left + token * this.across - this.box.scrollLeft; }
  y(layer) { return kHeat.top + (this.layers - 1 - layer) * this.up; }

  draw() {
    if (!this.width) return;
    const pen = this.canvas.getContext("2d");
    const scale = window.devicePixelRatio || 1;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    const style = getComputedStyle(document.documentElement);
    this.ink = { text: style.getPropertyValue("--text"), quiet: style.getPropertyValue("--quiet"),
      hatch: style.getPropertyValue("--hatch"), base: style.getPropertyValue("--base"), caution: style.getPropertyValue("--caution") };
    pen.font = "12px system-ui, 'DejaVu Sans', sans-serif";
    this.drawCells(pen);
    this.drawAxes(pen);
    this.drawMarks(pen);
  }

  drawCells(pen) {
    const high = this.high();
    const scale = window.devicePixelRatio || 1;
    const snap = (place) => Math.round(place * scale) / scale;
    pen.save();
    pen.beginPath();
    pen.rect(kHeat.left, 0, this.width - kHeat.left - kHeat.right + 1, this.height);
    pen.clip();
    const first = Math.max(0, Math.floor(this.box.scrollLeft / this.across));
    const last = Math.min(this.tokens, first + Math.ceil(this.width / this.across) + 1);
    for (let token = first; token < last; ++token) {
      for (let layer = 0; layer < this.layers; ++layer) {
        const value = this.quantity.value(this.pane, layer, token);
        // A cell ends where the next begins, and both on a whole pixel, so that no seams show at any scale.
        const left = snap(this.x(token)), top = snap(this.y(layer));
        pen.fillStyle = value === null ? this.ink.hatch : css(mapColor("sequential", place(value, this.quantity.low, high)));
        pen.fillRect(left, top, snap(this.x(token + 1)) - left, snap(this.y(layer - 1)) - top);
        if (value === null) this.hatch(pen, left, top);
      }
    }
    pen.restore();
  }

  hatch(pen, left, top) {
    pen.strokeStyle = this.ink.quiet;
    pen.lineWidth = 0.5;
    pen.beginPath();
    pen.moveTo(left, top + this.up);
    pen.lineTo(left + this.across, top);
    pen.stroke();
  }

  drawAxes(pen) {
    pen.fillStyle = this.ink.text;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    const each = [1, 2, 5, 10, 20, 50, 100].find((step) => step * this.up >= 14) ?? 200;
    for (let layer = 0; layer < this.layers; layer += each) pen.fillText(String(layer), kHeat.left - 5, this.y(layer) + this.up / 2);
    pen.save();
    pen.translate(11, kHeat.top + this.layers * this.up / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.fillText("layer", 0, 0);
    pen.restore();
    pen.textAlign = "center";
    const under = kHeat.top + this.layers * this.up;
    const apart = [1, 2, 5, 10, 20, 50, 100, 200].find((step) => step * this.across >= 40) ?? 500;
    for (let token = 0; token < this.tokens; token += apart) {
      const x = this.x(token) + this.across / 2;
      if (x < kHeat.left || x > this.width - kHeat.right) continue;
      pen.fillText(String(token), x, under + 10);
    }
    pen.fillText("token", kHeat.left + (Math.min(this.width - kHeat.right, this.x(this.tokens)) - kHeat.left) / 2, under + 25);
  }

  // Where the prompt ends, where the texts part, and the cursor: light on dark on light, so it is seen on any colour.
  drawMarks(pen) {
    pen.save();
    pen.beginPath();
    pen.rect(kHeat.left - 2, 0, this.width - kHeat.left, this.height);
    pen.clip();
    const bar = (token, color) => {
      for (const [width, ink] of [[4, this.ink.base], [2, color]]) {
        pen.strokeStyle = ink;
        pen.lineWidth = width;
        pen.beginPath();
        pen.moveTo(this.x(token), kHeat.top - 4);
        pen.lineTo(this.x(token), kHeat.top + this.layers * this.up + 2);
        pen.stroke();
      }
    };
    if (written(this.pane)) bar(this.pane.given, this.ink.text);
    if (this.pane.split !== null) bar(this.pane.split, this.ink.caution);
    if (this.state.token !== null) {
      for (const [grow, ink] of [[2.5, "#000000"], [1, "#ffffff"]]) {
        pen.strokeStyle = ink;
        pen.lineWidth = 1.5;
        pen.strokeRect(this.x(this.state.token) - grow, this.y(this.state.layer) - grow, this.across + 2 * grow, this.up + 2 * grow);
      }
    }
    pen.restore();
  }

  cellAt(event) {
    const bounds = this.canvas.getBoundingClientRect();
    const token = Math.floor((event.clientX - bounds.left - kHeat.left + this.box.scrollLeft) / this.across);
    const layer = this.layers - 1 - Math.floor((event.clientY - bounds.top - kHeat.top) / this.up);
    const inside = event.clientX - bounds.left >= kHeat.left && token < this.tokens && layer >= 0 && layer < this.layers;
    return inside ? { token, layer } : null;
  }

  hover(cell) {
    this.hovered = cell;
    this.read();
  }

  cellWords(token, layer) {
    const value = this.quantity.value(this.pane, layer, token);
    return `${tokenName(this.pane, token)}, layer ${layer}: ` + (value === null ? "not known" : this.quantity.words(value));
  }

  // The exact value under the pointer, else at the cursor.
  read() {
    const cell = this.hovered ?? (this.state.token === null ? null : { token: this.state.token, layer: this.state.layer });
    element("readout").textContent = cell ? this.cellWords(cell.token, cell.layer) : "";
  }

  key(event, select) {
    const steps = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1], PageUp: [-10, 0], PageDown: [10, 0] };
    let token = this.state.token ?? 0, layer = this.state.layer;
    if (event.key in steps) {
      token += steps[event.key][0];
      layer += steps[event.key][1];
    } else if (event.key === "Home") token = 0;
    else if (event.key === "End") token = this.tokens - 1;
    else return;
    event.preventDefault();
    this.hovered = null;
    select(Math.min(this.tokens - 1, Math.max(0, token)), Math.min(this.layers - 1, Math.max(0, layer)));
  }

  // The cursor in view.
  reveal() {
    if (this.state.token === null || !this.across) return;
    const left = this.state.token * this.across, room = this.width - kHeat.left - kHeat.right;
    if (left < this.box.scrollLeft) this.box.scrollLeft = Math.max(0, left - this.across);
    else if (left + this.across > this.box.scrollLeft + room) this.box.scrollLeft = left + 2 * this.across - room;
  }
}

function fillHeatLegend(heatmap) {
  const { quantity, pane } = heatmap;
  const legend = element("heatlegend"), high = heatmap.high();
  if (quantity.values)
    fillValueLegend(legend, quantity.values(pane), (value) => mapColor("sequential", place(value, quantity.low, high)), quantity.short);
  else fillGradientLegend(legend, "sequential", quantity.short(quantity.low), quantity.short(high));
}
