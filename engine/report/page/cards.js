// The token that was chosen, and the token at which the texts part.
function headRow(names) {
  const row = make("tr");
  for (const [name, left] of names) {
    const cell = make("th", name, left ? "name" : "");
    cell.scope = "col";
    row.append(cell);
  }
  return row;
}

function hexBytes(text) {
  return Array.from(new TextEncoder().encode(text), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

function topTable(pane, token, caption) {
  const table = make("table");
  if (caption) table.append(make("caption", caption));
  table.append(headRow([["Rank"], ["Token", true], ["Here"], ["nats"], ["Full"]]));
  const full = new Map((pane.full_top?.[token] ?? []).map((entry) => [entry[0], entry[1]]));
  for (const [rank, [id, logprob]] of pane.top[token].entries()) {
    const row = make("tr", undefined, id === pane.ids[token] ? "chosen" : "");
    row.append(make("td", rank), make("td", pieceName(id), "piece"), make("td", percent(Math.exp(logprob), 1)),
      make("td", logprob.toFixed(3)), make("td", full.has(id) ? percent(Math.exp(full.get(id)), 1) : "–"));
    table.append(row);
  }
  return table;
}

function tokenFacts(pane, token) {
  const facts = [token < pane.given ? "given" : "written", "id " + pane.ids[token]];
  if (pane.texts[token] !== "") facts.push("bytes " + hexBytes(pane.texts[token]));
  if (pane.logprob[token] !== null)
    facts.push("probability " + percent(Math.exp(pane.logprob[token]), 2), `rank ${pane.rank[token]}`, `surprisal ${(-pane.logprob[token]).toFixed(3)} nats`);
  const difference = lossDifference(pane, token);
  if (difference !== null) facts.push("loss difference to full " + kTokenQuantities.difference.words(difference));
  const share = tokenShare(pane, token);
  if (share !== null) facts.push("compute " + percent(share) + " of full");
  if (pane.ms[token] !== null) facts.push(`read in ${pane.ms[token].toFixed(3)} ms`);
  return facts.join(", ");
}

function drawCard(state) {
  const card = element("card");
  const pane = report.panes[state.stop];
  if (state.token === null || state.token >= pane.ids.length) {
    card.replaceChildren(make("p", "No token is chosen. Click one in the text or in the map.", "quiet"));
    return;
  }
  const token = state.token;
  const name = make("p", pane.texts[token] === "" ? `Token ${token}` : `Token ${token}: ${quoted(pane.texts[token])}`, "tokenname");
  card.replaceChildren(name, make("p", tokenFacts(pane, token), "quiet"));
  const widths = make("p", `Layer ${state.layer}: ` + ["mlp", "heads"].map((block) => {
    const value = width(pane, block, state.layer, token);
    return value === null ? "not read" : kCellQuantities[block].words(value);
  }).join(", "));
  card.append(widths);
  if (pane.top?.[token]?.length) card.append(topTable(pane, token, "What this size held for likely here"));
}

// How a text goes on from the token at which it parts from the other, with a few words before it.
function goesOn(pane, split) {
  const kBefore = 6, kAfter = 18;
  const line = make("p", undefined, "goes");
  line.append(make("strong", pane.name), ": …", pane.texts.slice(Math.max(0, split - kBefore), split).join(""),
    make("mark", pane.texts[split] === "" ? `id ${pane.ids[split]}` : pane.texts[split]), pane.texts.slice(split + 1, split + kAfter).join(""));
  if (split + kAfter < pane.texts.length) line.append("…");
  return line;
}

// Up to here both texts are the same, so both distributions answer the same question.
function drawSplit(state) {
  const pane = report.panes[state.stop], baseline = report.panes[report.baseline];
  const split = state.stop === report.baseline ? null : pane.split;
  element("split").hidden = split === null;
  if (split === null) return;
  const words = make("div");
  const go = make("button", `Look at token ${split}`);
  go.type = "button";
  go.addEventListener("click", () => state.select(split, state.layer));
  words.append(make("p", `Both read the same up to token ${split}, and then hold other words for likely.`, "quiet"), goesOn(baseline, split), goesOn(pane, split), go);
  element("splitcard").replaceChildren(words);
  if (pane.top && baseline.top) element("splitcard").append(splitTable(pane, baseline, split));
}

// Every token that either holds for likely, with both probabilities; the chosen ones are framed.
function splitTable(pane, baseline, split) {
  const kRows = 8;
  const own = new Map(pane.top[split]), other = new Map(baseline.top[split]);
  const best = (id) => Math.max(own.get(id) ?? -Infinity, other.get(id) ?? -Infinity);
  const ids = [...new Set([...own.keys(), ...other.keys()])].sort((a, b) => best(b) - best(a));
  const chosen = [pane.ids[split], baseline.ids[split]];
  const shown = [...new Set([...ids.slice(0, kRows), ...chosen])];
  const table = make("table");
  table.append(headRow([["Token", true], [baseline.name], [pane.name]]));
  const words = (logprob) => logprob === undefined ? "–" : percent(Math.exp(logprob), 1);
  for (const id of shown) {
    const row = make("tr", undefined, chosen.includes(id) ? "chosen" : "");
    row.append(make("td", pieceName(id), "piece"), make("td", words(other.get(id))), make("td", words(own.get(id))));
    table.append(row);
  }
  return table;
}
