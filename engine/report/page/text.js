// The text of the stop, token by token, coloured by one number each.
function drawText(state) {
  const pane = report.panes[state.stop];
  const quantity = kTokenQuantities[state.coloring];
  const spans = pane.texts.map((text, token) => {
    const span = make("span", text);
    span.dataset.token = token;
    if (text === "") { // the beginning of a text, or a part of a character
      span.textContent = token === 0 ? "" : "·";
      if (token > 0) span.className = "blank";
      return span;
    }
    if (token < pane.given && written(pane)) span.classList.add("given");
    if (token === pane.split) span.classList.add("parted");
    const value = quantity ? quantity.value(pane, token) : null;
    if (value !== null) {
      const color = mapColor(quantity.map, place(value, quantity.low, quantity.high));
      span.classList.add("colored");
      span.style.background = css(color);
      span.style.color = textOn(color);
      span.title = `${quantity.name}: ${quantity.words(value)}`;
    }
    return span;
  });
  element("text").replaceChildren(...spans);
  element("splitnote").textContent = splitWords(state, pane);
  const legend = element("textlegend");
  if (!quantity) legend.replaceChildren();
  else fillGradientLegend(legend, quantity.map, quantity.words(quantity.low), quantity.words(quantity.high));
  markToken(state);
}

function splitWords(state, pane) {
  const baseline = report.panes[report.baseline].name;
  if (state.stop === report.baseline) return "";
  if (pane.split === null) return `The same tokens as ${baseline}, as far as both go.`;
  return `Underlined: the first token that differs from ${baseline}.`;
}

function markToken(state) {
  const text = element("text");
  for (const old of text.querySelectorAll(".chosen")) old.classList.remove("chosen");
  const span = state.token === null ? null : text.children[state.token];
  if (!span) return;
  span.classList.add("chosen");
  const top = span.offsetTop - text.offsetTop;
  if (top < text.scrollTop || top + span.offsetHeight > text.scrollTop + text.clientHeight)
    text.scrollTop = Math.max(0, top - text.clientHeight / 2);
}

function connectText(state, select) {
  element("text").addEventListener("click", (event) => {
    const token = event.target.dataset.token;
    if (token !== undefined) select(Number(token), state.layer);
  });
  element("text").addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1 };
    const last = report.panes[state.stop].ids.length - 1;
    let token = state.token ?? 0;
    if (event.key in steps) token += steps[event.key];
    else if (event.key === "Home") token = 0;
    else if (event.key === "End") token = last;
    else return;
    event.preventDefault();
    select(Math.min(last, Math.max(0, token)), state.layer);
  });
}
