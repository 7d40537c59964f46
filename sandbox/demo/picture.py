"""The demo's picture as a file, for the README."""

import io
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI

from sandbox.demo.frame import Frame
from sandbox.demo.view import render

WIDTH = 100

_SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" xml:space="preserve">
    <style>
    .{unique_id}-matrix {{
        white-space: pre; font-family: monospace; font-size: {char_height}px; line-height: {line_height}px;
    }}
    {styles}
    </style>
    <defs>
    <clipPath id="{unique_id}-clip-terminal">
      <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
    </clipPath>
    {lines}
    </defs>
    {chrome}
    <g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix">
    {matrix}
    </g>
    </g>
</svg>
"""
"""Rich's own template fetches a font from elsewhere; this one takes the reader's."""


def save_picture(frame: Frame, path: Path) -> None:
    """Write that moment as an SVG file."""
    console = Console(file=io.StringIO(), width=WIDTH, record=True, force_terminal=True, color_system="truecolor")
    console.print(render(frame, height=32))
    path.write_text(
        console.export_svg(title="make demo", theme=MONOKAI, code_format=_SVG, unique_id="demo"), encoding="utf-8"
    )
