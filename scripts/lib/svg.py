"""Just enough of SVG for the figures of docs: readable on light and dark pages."""

import html
import math

COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#888888", "#8b5e3c", "#7f3c8d"]  # Okabe and Ito's, and two more


def nice(low, high):
    """Ends and step of an axis with at most six steps."""
    span = max(high - low, 1e-9)
    power = 10.0 ** math.floor(math.log10(span / 5))
    step = next(power * d for d in (1, 2, 5, 10) if span / (power * d) <= 6)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step


class Drawing:
    def __init__(self, width, height):
        self.parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
                      'font-size="13" fill="currentColor" color="#222">',
                      "<style>@media (prefers-color-scheme: dark) { svg { color: #ddd; } }</style>"]

    def add(self, part):
        self.parts.append(part)

    def label(self, x, y, what, anchor="middle", extra=""):
        self.add(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {extra}>{html.escape(str(what))}</text>')

    def line(self, x1, y1, x2, y2, stroke="currentColor", opacity=0.15, width=1.0):
        self.add(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" stroke-opacity="{opacity}" '
                 f'stroke-width="{width}"/>')

    def path(self, points, color, dash=False):
        dashes = ' stroke-dasharray="5 4"' if dash else ""
        along = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        self.add(f'<path d="M{along}" fill="none" stroke="{color}" stroke-width="1.5"{dashes}/>')

    def dot(self, x, y, color, error=None):
        """`error`: half the length of a bar through it, in y."""
        if error:
            self.add(f'<path d="M{x:.1f} {y - error:.1f} V{y + error:.1f}" stroke="{color}"/>')
        self.add(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{color}"/>')

    def box(self, x, y, width, height, color, opacity=1.0):
        self.add(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{color}" fill-opacity="{opacity:.3f}"/>')

    def text(self):
        return "\n".join(self.parts) + "\n</svg>\n"
