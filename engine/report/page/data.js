// What the page is about, and questions to it. Everything else draws the answers.
const report = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const kLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

// A new element; what it says is text, whatever it may look like.
function make(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function width(pane, block, layer, token) {
  const letter = pane[block].rows[layer][token];
  return letter === "." || letter === undefined ? null : pane[block].values[kLetters.indexOf(letter)];
}

function layerShare(pane, layer, token) {
  if (!pane.mlp_share) return null;
  const mlp = pane.mlp.rows[layer][token], heads = pane.heads.rows[layer][token];
  if (mlp === "." || heads === ".") return null;
  return pane.mlp_share[layer][kLetters.indexOf(mlp)] + pane.heads_share[layer][kLetters.indexOf(heads)];
}

function tokenShare(pane, token) {
  let sum = 0;
  for (let layer = 0; layer < report.model.layers; ++layer) {
    const share = layerShare(pane, layer, token);
    if (share === null) return null;
    sum += share;
  }
  return sum / report.model.layers;
}

function lossDifference(pane, token) {
  const full = pane.full_logprob ? pane.full_logprob[token] : null;
  const own = pane.logprob[token];
  return full === null || full === undefined || own === null ? null : full - own;
}

// The mean over tokens for which there is a value; null for none.
function meanOf(count, value) {
  let sum = 0, known = 0;
  for (let i = 0; i < count; ++i) {
    const one = value(i);
    if (one === null) continue;
    sum += one;
    ++known;
  }
  return known > 0 ? sum / known : null;
}

const written = (pane) => pane.given < pane.ids.length;
const percent = (share, digits) => (100 * share).toFixed(digits ?? 0) + " %";
const ms = (value) => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0) + " ms";

// What can be shown of each token: value, its place on the map from 0 to 1, its words.
const kTokenQuantities = {
  probability: { name: "Probability", map: "sequential", low: 0, high: 1,
    value: (pane, token) => pane.logprob[token] === null ? null : Math.exp(pane.logprob[token]),
    words: (value) => value.toFixed(value > 0 && value < 0.001 ? 5 : 3) },
  surprisal: { name: "Surprisal", map: "sequential", low: 0, high: 8,
    value: (pane, token) => pane.logprob[token] === null ? null : -pane.logprob[token],
    words: (value) => value.toFixed(2) + " nats" },
  compute: { name: "Compute", map: "sequential", low: 0, high: 1, has: (pane) => Boolean(pane.mlp_share),
    value: tokenShare, words: (value) => percent(value) + " of full" },
  difference: { name: "Loss difference to full", map: "diverging", low: -2, high: 2, has: (pane) => Boolean(pane.full_logprob),
    value: lossDifference, words: (value) => (value > 0 ? "+" : "") + value.toFixed(3) + " nats" },
};

const kCellQuantities = {
  mlp: { name: "MLP width", low: 0, high: report.model.full_mlp, values: (pane) => pane.mlp.values,
    value: (pane, layer, token) => width(pane, "mlp", layer, token),
    words: (value) => `${value} of ${report.model.full_mlp} neurons (${percent(value / report.model.full_mlp)})`, short: String },
  heads: { name: "Attention heads", low: 0, high: report.model.full_heads, values: (pane) => pane.heads.values,
    value: (pane, layer, token) => width(pane, "heads", layer, token),
    words: (value) => `${value} of ${report.model.full_heads} heads (${percent(value / report.model.full_heads)})`, short: String },
  compute: { name: "Share of compute", low: 0, high: 1, has: (pane) => Boolean(pane.mlp_share), value: layerShare,
    words: (value) => percent(value, 1) + " of the full layer's FLOPs", short: (value) => percent(value) },
  time: { name: "Time", low: 0, has: (pane) => Boolean(pane.layer_us),
    value: (pane, layer, token) => pane.layer_us[layer][token] === null ? null : pane.layer_us[layer][token] / 1000,
    words: (value) => value.toFixed(3) + " ms in this run", short: (value) => value.toFixed(3) + " ms" },
  mlpmargin: { name: "Router margin, MLP", low: 0, high: 1, has: (pane) => Boolean(pane.mlp_margin),
    value: (pane, layer, token) => pane.mlp_margin[layer][token] === null ? null : pane.mlp_margin[layer][token] / 1000,
    words: (value) => value.toFixed(3) + " ahead of the runner-up", short: (value) => value.toFixed(2) },
  headsmargin: { name: "Router margin, heads", low: 0, high: 1, has: (pane) => Boolean(pane.heads_margin),
    value: (pane, layer, token) => pane.heads_margin[layer][token] === null ? null : pane.heads_margin[layer][token] / 1000,
    words: (value) => value.toFixed(3) + " ahead of the runner-up", short: (value) => value.toFixed(2) },
};

// A token's text for a sentence, its blanks made visible.
function quoted(text) {
  return "“" + text.replaceAll(" ", "␣").replaceAll("\n", "⏎").replaceAll("\t", "⇥") + "”";
}

function tokenName(pane, token) {
  return pane.texts[token] === "" ? `token ${token} (id ${pane.ids[token]})` : `token ${token} ${quoted(pane.texts[token])}`;
}

function pieceName(id) {
  const piece = report.pieces[id];
  return piece === undefined ? "id " + id : quoted(piece);
}
