"""What every room looks like, at the least, the usual and a large size, with fixed data.

After a change that is meant: `pytest tests/tui/test_snapshots.py --snapshot-update`, and look at what changed.
"""

from __future__ import annotations

import contextlib
import time

import pytest
from textual.worker import WorkerCancelled

from qrtui.presets import load_preset
from qrtui.tui.app import QrtuiApp
from tests.tui.filled import fill

SIZES = [(80, 24), (120, 36), (200, 60)]
ROOMS = {"1": "setup", "2": "run", "3": "compare", "4": "charts", "5": "history", "6": "playground"}


@pytest.fixture
def anywhere(monkeypatch, tmp_path):
    """The same machine, clock and caches wherever this runs."""
    from qrtui.models import capacity
    from qrtui.results import planned, store
    from qrtui.tui.widgets import cost_line

    for module in (planned, store):
        monkeypatch.setattr(module, "now", lambda: "2026-01-02T03:04:05+00:00")
    for module in (capacity, cost_line):
        monkeypatch.setattr(module, "main_memory", lambda: 16 * 10**9)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setenv("QRTUI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLORTERM", "truecolor")
    for name in ("HUMANEVAL_OVERRIDE_PATH", "MBPP_OVERRIDE_PATH", "QRTUI_THEME", "NO_COLOR", "HF_HOME"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path
    monkeypatch.undo()
    time.tzset()


def looked_at(snap_compare, folder, size, keys, theme=""):
    fill(folder / "x.db")
    app = QrtuiApp(folder / "x.db", experiment=load_preset("demo"))

    async def settle(pilot):
        if theme:
            app.theme = theme
        for key in keys:
            await pilot.press(key)
            await settled(pilot)

    return snap_compare(app, terminal_size=size, run_before=settle)


async def settled(pilot):
    """Nothing is being planned or read any more, and the screen has stayed the same for a while."""
    seen = []
    while len(seen) < 6 or len(set(seen[-6:])) > 1 or getattr(pilot.app.screen, "_plan_made", True) is None:
        # What is asked anew takes the place of what was asked before.
        with contextlib.suppress(WorkerCancelled):
            await pilot.app.workers.wait_for_complete()
        await pilot.pause(0.12)
        # The private compositor: an exported picture would take longer than everything else here.
        seen.append("\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips()))
        assert len(seen) < 200


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("key", ROOMS, ids=ROOMS.get)
def test_a_room(snap_compare, anywhere, key, size):
    assert looked_at(snap_compare, anywhere, size, [key])


@pytest.mark.parametrize("theme", ["qrtui-light", "qrtui-terminal"])
def test_another_theme(snap_compare, anywhere, theme):
    assert looked_at(snap_compare, anywhere, (120, 36), ["3"], theme)


def test_two_by_two(snap_compare, anywhere):
    assert looked_at(snap_compare, anywhere, (120, 36), ["3", "w"])


def test_help(snap_compare, anywhere):
    assert looked_at(snap_compare, anywhere, (120, 36), ["3", "question_mark"])
