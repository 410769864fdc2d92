from __future__ import annotations

import pytest
from textual.app import App
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from qrtui.tui.held_drawing import hold_drawing
from qrtui.tui.widgets.code_pane import CodePane
from qrtui.tui.widgets.steady import SteadyStatic, SteadyVertical, set_class_for

from .conftest import until

LONG = 3600.0


class Small(App[None]):
    CSS = """
    #text { height: auto; }
    #pane { height: 5; scrollbar-size: 1 1; }
    #box.-high #text { height: 7; }
    #box.-high #other { height: 9; }
    #other { height: 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.layouts = 0

    def compose(self):
        with SteadyVertical(id="box"):
            yield SteadyStatic("one line", id="text")
            yield Static("another", id="other")
            yield CodePane("pane")

    def on_mount(self) -> None:
        self.screen.screen_layout_refresh_signal.subscribe(self, lambda _: self._count(), immediate=True)

    def _count(self) -> None:
        self.layouts += 1

    def high(self, name: str) -> int:
        return self.query_one(name).size.height


@pytest.fixture
def small() -> Small:
    return Small()


async def test_what_is_held_is_laid_out_when_it_is_let_go(small):
    async with small.run_test() as pilot:
        draw = hold_drawing(small.screen, LONG)
        small.query_one("#text", Static).update("one\ntwo")
        await pilot.pause(0.1)
        assert small.high("#text") == 1
        draw()
        await until(pilot, lambda: small.high("#text") == 2)
        draw()
        small.query_one("#text", Static).update("one\ntwo\nthree")
        await until(pilot, lambda: small.high("#text") == 3)


async def test_nothing_is_held_for_longer_than_was_said(small):
    async with small.run_test() as pilot:
        hold_drawing(small.screen, 0.01)
        small.query_one("#text", Static).update("one\ntwo")
        await until(pilot, lambda: small.high("#text") == 2)


async def test_one_that_holds_does_not_let_go_what_another_holds(small):
    async with small.run_test() as pilot:
        first, second = hold_drawing(small.screen, LONG), hold_drawing(small.screen, LONG)
        small.query_one("#text", Static).update("one\ntwo")
        first()
        await pilot.pause(0.1)
        assert small.high("#text") == 1
        second()
        await until(pilot, lambda: small.high("#text") == 2)


async def test_a_text_that_gets_longer_has_the_screen_laid_out_once(small):
    async with small.run_test() as pilot:
        await pilot.pause(0.1)
        small.layouts = 0
        small.query_one("#text", Static).update("one\ntwo")
        await until(pilot, lambda: small.high("#text") == 2)
        await pilot.pause(0.1)
        assert small.layouts == 1


async def test_a_class_styles_those_anew_that_have_rules_for_it(small):
    async with small.run_test() as pilot:
        box, text = small.query_one("#box", Vertical), small.query_one("#text")
        set_class_for(box, True, "-high", text)
        await until(pilot, lambda: small.high("#text") == 7)
        assert box.has_class("-high")
        assert small.high("#other") == 1
        set_class_for(box, False, "-high", text)
        await until(pilot, lambda: small.high("#text") == 1)


async def test_a_scrollbar_comes_and_goes_with_the_lines(small):
    async with small.run_test() as pilot:
        pane = small.query_one(CodePane)
        pane.show_lines([Content(str(number)) for number in range(40)], 3)
        await until(pilot, lambda: pane.show_vertical_scrollbar and pane.scrollable_content_region.width == 79)
        pane.scroll_to(y=20, animate=False, immediate=True)
        pane.show_lines([Content("one")], 3)
        await until(pilot, lambda: not pane.show_vertical_scrollbar and pane.scrollable_content_region.width == 80)
        assert pane.scroll_y == 0


async def test_lines_follow_the_theme(small):
    async with small.run_test() as pilot:
        pane = small.query_one(CodePane)
        for theme in ("textual-light", "textual-dark", "nord"):
            small.theme = theme
            await until(pilot, lambda: pane.line_style == pane.rich_style)
            assert pane.line_style.bgcolor == small.screen.rich_style.bgcolor
