"""Keys that come faster than screens do, as after a stall of an SSH line; and a line that is gone."""

from __future__ import annotations

import errno
import random
import threading
import time

import pytest
from textual import events
from textual.drivers._writer_thread import WriterThread

from qrtui.tui.app import QrtuiApp
from qrtui.tui.mended_textual import mend_writer
from qrtui.tui.screens.closes_once import Palette
from qrtui.tui.screens.dialogs import Dialog

from .conftest import PATIENCE, until

KEYS = [
    *"123456?/jkgGehmtvnwfxs[",
    "escape",
    "enter",
    "tab",
    "pagedown",
    "end",
    "up",
    "down",
    "ctrl+p",
    "ctrl+t",
    "ctrl+s",
]


def burst(app, *keys: str) -> None:
    """Press keys without waiting for what they do."""
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))


async def closed(pilot, app) -> None:
    """Close every dialog that is open."""
    # Keys of a burst that are still on their way may open another.
    deadline = time.monotonic() + PATIENCE
    while len(app.screen_stack) > 1 and time.monotonic() < deadline:
        await pilot.press("ctrl+c")
    assert len(app.screen_stack) == 1


@pytest.mark.parametrize("seed", range(2))
async def test_a_burst_of_any_keys_leaves_the_app_usable(opened, seed, monkeypatch):
    # Ctrl+C between two dialogs quits, and so does the palette if the keys in it mean that: well and good, but no test.
    monkeypatch.setattr(QrtuiApp, "action_quit", lambda app: None)
    chance = random.Random(seed)
    async with opened() as (app, pilot):
        for _ in range(6):
            burst(app, *chance.choices(KEYS, k=60))
            await pilot.pause(0.05)
        await until(pilot, lambda: not app._ahead)
        await closed(pilot, app)
        await pilot.press("escape", "escape", "3")
        await until(pilot, lambda: app.current_mode == "compare" or app.focused is not None)


async def test_a_dialog_that_is_closed_before_it_is_drawn_is_gone(opened):
    async with opened() as (app, pilot):
        await pilot.press("tab", "tab", "tab")
        for _ in range(10):
            burst(app, "e", "escape", "ctrl+s", "escape", "ctrl+p", "escape")
        await until(pilot, lambda: not app._ahead)
        await closed(pilot, app)


async def test_what_is_typed_before_a_dialog_is_there_waits_for_it(opened):
    async with opened() as (app, pilot):
        await pilot.press("escape")
        app.action_help()
        burst(app, "escape")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        assert app.current_mode == "setup"


async def test_the_palette_opens_once_and_closes_once(opened):
    async with opened() as (app, pilot):
        burst(app, "ctrl+p", "ctrl+p", "ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, Palette) and app.screen.is_mounted)
        assert len(app.screen_stack) == 2
        palette = app.screen
        palette.dismiss()
        palette.dismiss()
        await until(pilot, lambda: len(app.screen_stack) == 1)


async def test_a_dialog_whose_asker_was_cancelled_still_closes(opened):
    async with opened() as (app, pilot):
        asked: Dialog[str] = Dialog()
        worker = app.run_worker(app.push_screen_wait(asked))
        await until(pilot, lambda: app.screen is asked and asked.is_mounted)
        worker.cancel()
        await pilot.pause()
        asked.dismiss("answer")
        await until(pilot, lambda: len(app.screen_stack) == 1)


class LostTerminal:
    def write(self, text):
        raise OSError(errno.EIO, "Input/output error")

    def flush(self):
        raise OSError(errno.EIO, "Input/output error")


def test_a_terminal_that_is_gone_keeps_nobody_waiting():
    mend_writer()
    writer = WriterThread(LostTerminal())
    writer.start()
    leaving = threading.Thread(target=lambda: ([writer.write("x") for _ in range(200)], writer.stop()), daemon=True)
    leaving.start()
    leaving.join(PATIENCE)
    assert not leaving.is_alive()
    assert not writer.is_alive()
