"""Takes the README's pictures from the real app running the real demo.

    .venv/bin/python docs/pictures/take.py [--db FILE]

With a database in which the demo was begun, only what is left of it is generated. Compare is taken at a task on which
original and quantized part ways.
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

from textual.pilot import Pilot

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
    """Run the demo in the app, or find it done, and save each room."""
    app = QrtuiApp(database, experiment=load_preset("demo"), start=True)
    async with app.run_test(size=SIZE) as pilot:
        while app.state.run is None or app.state.under_way:
            if app.state.phase == "failed":
                raise SystemExit(f"the demo failed: {app.state.reason}")
            await pilot.pause(0.5)
        await look(pilot)
        save(app, "run.svg")
        await look(pilot, "3", "n")
        save(app, "compare.svg")
        await look(pilot, "4")
        save(app, "charts.svg")
        await look(pilot, "1")
        save(app, "setup.svg")


async def look(pilot: Pilot[None], *keys: str) -> None:
    """Press the keys, and wait until what they show is there."""
    for key in keys:
        await pilot.press(key)
        await pilot.pause(2)
    await pilot.app.workers.wait_for_complete()
    await pilot.pause(2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--db", type=Path, default=Path("pictures.db"))
    asyncio.run(take(parser.parse_args().db))
