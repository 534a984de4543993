// The numbers of all stops, where they come from, and how to make it all again.
function plusMinus(value, error, words) {
  return error > 0 ? `${words(value)} ± ${words(error)}` : words(value);
}

function paneRow(pane, index, state) {
  const row = make("tr", undefined, index === state.stop ? "chosen" : "");
  const name = make("th", undefined, "name");
  name.scope = "row";
  const button = make("button", pane.name);
  button.type = "button";
  button.setAttribute("aria-label", "Show " + pane.name);
  button.addEventListener("click", () => {
    state.setStop(index); // draws the table anew
    element("numbers").querySelectorAll("button")[index].focus();
  });
  name.append(button);
  const share = meanOf(pane.ids.length, (token) => tokenShare(pane, token));
  const difference = index === report.baseline ? null : meanOf(pane.ids.length, (token) => lossDifference(pane, token));
  const agreement = pane.agreement, timing = pane.timing;
  const cells = [
    [pane.routing + (pane.forced ? ", forced choices" : ""), "name"],
    [share === null ? "–" : percent(share)],
    [timing && timing.p50_ms > 0 ? ms(timing.p50_ms) : "–"],
    [timing && timing.p95_ms > 0 ? ms(timing.p95_ms) : "–"],
    [pane.alone_ms > 0 ? `${(1000 / pane.alone_ms).toFixed(0)}, ${pane.alone_measured ? "measured" : "predicted"}` : "–"],
    [agreement ? plusMinus(100 * agreement.agreement, 100 * agreement.agreement_stderr, (value) => value.toFixed(1)) + " %" : "–"],
    [agreement ? plusMinus(agreement.kl, agreement.kl_stderr, (value) => value.toFixed(3)) : "–"],
    [agreement ? String(agreement.n) : "–"],
    [difference === null ? "–" : (difference > 0 ? "+" : "") + difference.toFixed(3)],
    [index === report.baseline ? "baseline" : pane.split === null ? "nowhere" : "token " + pane.split],
  ];
  row.append(name, ...cells.map(([text, className]) => make("td", text, className)));
  return row;
}

function drawNumbers(state) {
  const head = headRow([["Stop", true], ["Routing", true], ["Compute"], ["ms a token, p50"], ["p95"], ["Alone, tokens a second"],
    ["Agrees with full"], ["KL, nats"], ["n"], ["Loss difference, nats"], ["Parts from " + report.panes[report.baseline].name]]);
  element("numbers").replaceChildren(head, ...report.panes.map((pane, index) => paneRow(pane, index, state)));
}

function fillSources() {
  const has = (test) => report.panes.some(test);
  const lines = [];
  if (has((pane) => pane.mlp_share))
    lines.push("Compute: FLOPs of the layers at the widths in use over those at full width, counted from the shapes, mean over the tokens that were read.");
  if (has((pane) => pane.timing)) lines.push(`p50 and p95: a new token after the first, measured in this run on ${report.backend}` +
    (report.panes.length > 1 ? ", each stop's own part of the steps that all share." : "."));
  if (has((pane) => pane.alone_ms > 0 && pane.alone_measured)) lines.push("Alone, measured: the median of a short text that this stop wrote with nothing beside it.");
  if (has((pane) => pane.alone_ms > 0 && !pane.alone_measured)) lines.push("Alone, predicted: from this device's latency table, at each token's own widths.");
  if (has((pane) => pane.agreement)) lines.push(`Agreement and KL(full || stop): both read the text of ${report.panes[report.baseline].name}; ` +
    "same most probable token, and the mean over n tokens; ± is the standard error.");
  if (has((pane) => pane.full_logprob)) lines.push("Loss difference: surprisal less the full model's on this stop's own text; above 0 is worse.");
  if (report.left_out.length > 0) lines.push("Left out to keep this page small: " + report.left_out.join("; ") + ".");
  element("sources").replaceChildren(...lines.map((line) => make("li", line)));
}

function samplerWords() {
  const sampler = report.sampler;
  const words = [sampler.temperature > 0 ? "temperature " + sampler.temperature : "greedy: always the most probable token"];
  if (sampler.top_k > 0) words.push("top-k " + sampler.top_k);
  if (sampler.top_p < 1) words.push("top-p " + sampler.top_p);
  if (sampler.min_p > 0) words.push("min-p " + sampler.min_p);
  if (sampler.repeat_penalty !== 1) words.push("repeat penalty " + sampler.repeat_penalty);
  return words.join(", ");
}

function fillMade() {
  const entries = [["Model", `${report.model.name}, hash ${report.model.hash}`], ["Ran on", report.backend],
    ["Sampling", samplerWords()], ["Seed", String(report.sampler.seed)], ["Version", "Flextron Explorer " + report.version]];
  if (report.made_at) entries.push(["Made", report.made_at]);
  if (report.command) entries.push(["This page", report.command, true]);
  for (const pane of report.panes) {
    if (pane.subnet) entries.push([`Widths, ${pane.name}`, pane.routing === "dynamic" ? "chosen by the routers for each token" : pane.subnet]);
    if (pane.command) entries.push([`Text, ${pane.name}`, pane.command, true]);
  }
  element("made").replaceChildren(...entries.flatMap(([name, text, code]) => {
    const value = make("dd", code ? undefined : text);
    if (code) value.append(make("code", text));
    return [make("dt", name), value];
  }));
}

function drawTokens(state) {
  const table = element("tokens"), pane = report.panes[state.stop];
  table.replaceChildren();
  if (!element("tokenlist").open) return;
  const quantities = Object.values(kTokenQuantities).filter((quantity) => !quantity.has || quantity.has(pane));
  table.append(headRow([["Token"], ["Text", true], ["Id"], ["Rank"], ...quantities.map((quantity) => [quantity.name]), ["Read in"]]));
  pane.ids.forEach((id, token) => {
    const row = make("tr");
    row.append(make("td", token), make("td", pane.texts[token], "piece"), make("td", id), make("td", pane.rank[token] < 0 ? "–" : pane.rank[token]));
    for (const quantity of quantities) {
      const value = quantity.value(pane, token);
      row.append(make("td", value === null ? "–" : quantity.words(value)));
    }
    row.append(make("td", pane.ms[token] === null ? "–" : pane.ms[token].toFixed(3) + " ms"));
    table.append(row);
  });
}
