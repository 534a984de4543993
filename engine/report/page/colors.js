// From a number to a colour, and what the colours mean.
function rgbOf(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

const kMaps = { sequential: report.maps.sequential.map(rgbOf), diverging: report.maps.diverging.map(rgbOf) };

// The map at 0..1, as [red, green, blue].
function mapColor(map, position) {
  const stops = kMaps[map];
  const scaled = Math.min(1, Math.max(0, position)) * (stops.length - 1);
  const lower = Math.min(Math.floor(scaled), stops.length - 2);
  const t = scaled - lower;
  return stops[lower].map((channel, i) => Math.round(channel + t * (stops[lower + 1][i] - channel)));
}

const css = (rgb) => `rgb(${rgb.join(",")})`;

// Relative luminance of WCAG 2.1.
function luminance(rgb) {
  const linear = rgb.map((channel) => {
    const share = channel / 255;
    return share <= 0.03928 ? share / 12.92 : Math.pow((share + 0.055) / 1.055, 2.4);
  });
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}

// Black or white, whichever reads better: always at least 4.5 to 1.
function textOn(rgb) {
  const ground = luminance(rgb);
  return (ground + 0.05) / 0.05 >= 1.05 / (ground + 0.05) ? "#000000" : "#ffffff";
}

function place(value, low, high) {
  return high > low ? (value - low) / (high - low) : 0;
}

function gradient(map) {
  return `linear-gradient(to right, ${kMaps[map].map(css).join(",")})`;
}

// A bar with its two ends.
function fillGradientLegend(legend, map, low, high) {
  const bar = make("b");
  bar.style.background = gradient(map);
  legend.replaceChildren(make("span", low), bar, make("span", high));
}

// A box for each value.
function fillValueLegend(legend, values, color, words) {
  legend.replaceChildren(...values.map((value) => {
    const entry = make("span");
    const box = make("i");
    box.style.background = css(color(value));
    entry.append(box, words(value));
    return entry;
  }));
}
