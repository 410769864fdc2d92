"""A chart saved as a file: a picture for print, or its numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qrtui.paths import expanded
from qrtui.results.charts import Chart
from qrtui.tui.chart_runs import PAPER
from qrtui.tui.screens.dialogs import AskPath

if TYPE_CHECKING:
    from qrtui.results.chart_kinds import ChartKind
    from qrtui.results.table_one import TableOne
    from qrtui.tui.app import QrtuiApp

_PAGE_MM = 180.0
_MOST_NAMED = 4


async def save_chart(app: QrtuiApp, made: Chart | TableOne, kind: ChartKind, runs: Sequence[str]) -> None:
    """Ask for a path and save what was made of `runs` there; its ending says as what. Called in a worker."""
    from qrtui.charts.files import can_draw, chart_bytes, how_to_draw, save

    told = "The ending decides: .svg, .pdf or .png for print, .csv for the numbers. A file of that name is replaced."
    if not can_draw():
        told += f" Pictures need matplotlib: {how_to_draw()}."
    offered = f"{_stem(kind, runs)}.{'svg' if can_draw() else 'csv'}"

    async def attempt(name: str) -> None:
        path = expanded(name)
        wide = None if isinstance(made, Chart) and len(made.panels) == 1 else _PAGE_MM
        content = await asyncio.to_thread(chart_bytes, made, path, wide)
        app.notify(f"Saved to {save(content, path)}")

    await app.push_screen_wait(AskPath("Save the chart", told, offered, attempt))


def _stem(kind: ChartKind, runs: Sequence[str]) -> str:
    named = "-".join(run if run == PAPER else f"run{run}" for run in runs[:_MOST_NAMED])
    return f"qrtui-{kind}-{named}"
