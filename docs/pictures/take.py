"""Takes the README's pictures from the real app running the real demo.

    .venv/bin/python docs/pictures/take.py [--db FILE]

With a database in which the demo was begun, only what is left of it is generated. The Run screen is taken
when three quarters are judged, that of Compare at the first task on which original and quantized part ways.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import os
import re
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ["COLORTERM"] = "truecolor"

from qrtui.presets import load_preset
from qrtui.tui.app import QrtuiApp

FOLDER = Path(__file__).parent
SIZE = (120, 36)


def save(app: QrtuiApp, name: str) -> None:
    """Write the screen as SVG, without the web font that the exporter names."""
    svg = re.sub(r"@font-face\s*{.*?}", "", app.export_screenshot(title="qrtui"), flags=re.DOTALL)
    svg = _INDENTED.sub(_moved_right, svg)
    (FOLDER / name).write_text(re.sub(r"[ \t]+\n", "\n", svg), encoding="utf-8")


_INDENTED = re.compile(r' x="([\d.]+)"( y="[\d.]+") textLength="([\d.]+)"([^>]*)>((?:&#160;)+)([^<]+)<')


def _moved_right(match: re.Match[str]) -> str:
    """A text that begins with spaces, begun where its first letter stands: some viewers drop leading spaces."""
    x, y, length, rest, spaces, text = match.groups()
    indent = len(spaces) // len("&#160;")
    width = float(length) / (indent + len(html.unescape(text)))
    return f' x="{float(x) + indent * width:.1f}"{y} textLength="{float(length) - indent * width:.1f}"{rest}>{text}<'


async def take(database: Path) -> None:
    """Run the demo in the app and save each screen at its moment."""
    app = QrtuiApp(database, experiment=load_preset("demo"), start=True)
    async with app.run_test(size=SIZE) as pilot:
        while app.state.total == 0 or app.state.judged < 0.75 * app.state.total:
            await pilot.pause(0.5)
        await pilot.pause(1)
        save(app, "run.svg")
        while app.state.under_way:
            await pilot.pause(0.5)
        await pilot.press("3")
        await pilot.pause(2)
        await pilot.press("n")
        await pilot.pause(2)
        save(app, "compare.svg")
        await pilot.press("1")
        await pilot.pause(2)
        save(app, "setup.svg")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--db", type=Path, default=Path("pictures.db"))
    asyncio.run(take(parser.parse_args().db))
