from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from textual.color import Color
from textual.widgets import DataTable, Footer, Input, OptionList
from textual.widgets._footer import FooterKey

from qrtui import paths
from qrtui.settings import Settings, SettingsError, read_settings, remember_theme
from qrtui.tui.keys import key_rows, usable_keys
from qrtui.tui.screens.dialogs import AskPath
from qrtui.tui.screens.help import HelpScreen
from qrtui.tui.themes import DARK, LIGHT, OURS, TERMINAL, first_theme, variables_of
from qrtui.tui.widgets.checklist import CheckList
from qrtui.tui.widgets.conditions_table import ConditionsTable

from . import filled
from .conftest import until


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QRTUI_CONFIG", str(tmp_path / "config" / "config.toml"))
    monkeypatch.delenv("QRTUI_THEME", raising=False)
    return tmp_path / "config" / "config.toml"


def write(config: Path, text: str) -> None:
    config.parent.mkdir(exist_ok=True)
    config.write_text(text)


# The file


def test_without_a_file_the_defaults_hold(config):
    assert read_settings() == Settings()


def test_it_is_read_with_keys_in_either_way_of_writing_them(config):
    write(config, 'theme = "qrtui-light"\nmouse = false\n[keys]\ncompare.next = "N"\n"run.stop" = ["f8", "x"]\n')
    assert read_settings() == Settings(theme="qrtui-light", mouse=False, keys={"compare.next": "N", "run.stop": "f8,x"})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('thme = "x"', "there is no setting 'thme'; did you mean theme?"),
        ("mouse = 3", "mouse: expected bool, got int"),
        ("theme = ", "is not TOML"),
        ('keys = "n"', "keys is not a table; write [keys] above the lines"),
        ("[keys]\nquit = 3", 'keys.quit is no key; write for example "f5"'),
    ],
)
def test_what_is_wrong_is_said_on_one_line_with_a_way_out(config, text, says):
    write(config, text)
    with pytest.raises(SettingsError) as error:
        read_settings()
    assert says in str(error.value)
    assert str(config) in str(error.value)
    assert error.value.way_out
    assert "\n" not in str(error.value)


MINE = """# my settings
theme = 'qrtui-dark'   # dark in the evening
preset = "demo"

[keys]
theme = "f9"
"""


def test_a_remembered_theme_leaves_every_other_character_as_it_was(config):
    write(config, MINE)
    remember_theme("qrtui-light")
    assert config.read_text() == MINE.replace("'qrtui-dark'", '"qrtui-light"')
    write(config, '[keys]\ntheme = "f9"\n')
    remember_theme("qrtui-light")
    assert config.read_text() == 'theme = "qrtui-light"\n[keys]\ntheme = "f9"\n'


def test_a_remembered_theme_makes_the_file_and_follows_a_link(config, tmp_path):
    remember_theme("qrtui-light")
    assert read_settings().theme == "qrtui-light"
    dotfile = tmp_path / "dotfile.toml"
    config.rename(dotfile)
    config.symlink_to(dotfile)
    remember_theme("qrtui-terminal")
    assert config.is_symlink()
    assert 'theme = "qrtui-terminal"' in dotfile.read_text()
    assert [*config.parent.iterdir()] == [config], "nothing is left beside it"


def test_what_only_looks_like_the_line_of_the_theme_is_not_touched(config):
    text = 'preset = """\ntheme = "x"\n"""\n'
    write(config, text)
    with pytest.raises(SettingsError, match="cannot be changed safely"):
        remember_theme("qrtui-light")
    assert config.read_text() == text


def test_the_database_is_the_settings_one_unless_the_environment_names_another(config, monkeypatch):
    monkeypatch.delenv("QRTUI_DB", raising=False)
    write(config, 'database = "~/results.db"')
    assert paths.database() == Path("~/results.db").expanduser()
    monkeypatch.setenv("QRTUI_DB", "/elsewhere.db")
    assert paths.database() == Path("/elsewhere.db")


# Themes


def ratio(one: Color, other: Color) -> float:
    """The contrast of WCAG 2.1, 1 to 21."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: Color) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour.normalized]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_text_reads_on_every_ground(theme):
    colours = {**theme.to_color_system().generate(), **variables_of(theme), **theme.variables}

    def of(name: str, ground: Color) -> Color:
        colour = colours[name]
        return ground.get_contrast_text() if colour.startswith("auto") else Color.parse(colour)

    for ground in ("background", "panel", "boost", "footer-background"):
        under = Color.parse(colours[ground])
        for text, least in (
            ("foreground", 4.5),
            ("muted", 4.5 if ground == "background" else 3),
            ("accent", 4.5 if ground == "background" else 3),
            ("success", 3),
            ("warning", 3),
            ("error", 3),
            ("secondary", 3),
        ):
            assert ratio(of(text, under), under) >= least, (text, ground)
    for cursor in ("block-cursor", "block-cursor-blurred"):
        under = Color.parse(colours[f"{cursor}-background"])
        assert ratio(Color.parse(colours[f"{cursor}-foreground"]), under) >= 4.5
    assert ratio(Color.parse(colours["border-blurred"]), Color.parse(colours["background"])) >= 1.2


def test_the_terminals_own_colours_are_used_where_there_are_few_or_none_are_wanted():
    names = [theme.name for theme in OURS]
    assert first_theme("", names, "truecolor", no_color=False) == (DARK.name, "")
    assert first_theme("", names, "standard", no_color=False) == (TERMINAL.name, "")
    assert first_theme("qrtui-light", names, "truecolor", no_color=True) == (TERMINAL.name, "")
    name, problem = first_theme("qrtui-ligth", names, "truecolor", no_color=False)
    assert name == DARK.name
    assert "there is no theme 'qrtui-ligth'; did you mean qrtui-light?" in problem


async def test_under_no_color_no_colour_is_sent(opened, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    async with opened(experiment=filled.EXPERIMENT) as (app, pilot):
        await pilot.pause()
        assert app.theme == TERMINAL.name
        sent = list(app.screen._compositor.render_strips())
        for one in app._filters:
            sent = [line.apply_filter(one, Color(0, 0, 0)) for line in sent]
        styles = [segment.style for line in sent for segment in line if segment.style]
        assert any(style.reverse for style in styles), "the cursor is seen all the same"
        colours = {colour for style in styles for colour in (style.color, style.bgcolor) if colour}
        assert all(colour.is_default for colour in colours)


async def test_a_chosen_theme_is_remembered_and_used_the_next_time(opened, config):
    async with opened() as (app, pilot):
        app.settle(read_settings())
        app.theme = "qrtui-light"
        await pilot.press("ctrl+t")
        await until(pilot, lambda: config.exists() and "qrtui-terminal" in config.read_text())
    assert read_settings().theme == "qrtui-terminal"


# Keys


@pytest.fixture
def with_settings(opened, monkeypatch):
    """Open the app with settings."""
    from qrtui.tui.app import QrtuiApp

    def open_with(settings: Settings, **given: object):
        settle = QrtuiApp.settle
        monkeypatch.setattr(QrtuiApp, "settle", lambda self, _: settle(self, settings))
        monkeypatch.setattr("qrtui.settings.remember_theme", lambda name: None)
        return opened(**given)

    return open_with


async def test_a_remapped_key_works_and_the_footer_and_help_say_it(with_settings, fake_run):
    settings = Settings(keys={"setup.run": "f5", "help": "f1"})
    async with with_settings(settings, experiment=filled.EXPERIMENT) as (app, pilot):
        await until(pilot, lambda: app.keymap)
        await pilot.pause()
        footer = {(key.key_display, key.description) for key in app.screen.query_one(Footer).query(FooterKey)}
        assert ("f5", "Run") in footer
        await pilot.press("r")
        assert app.current_mode == "setup"
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        assert "f5" in "\n".join(str(part.content) for part in app.screen.query("#help Static"))
        await pilot.press("escape", "f5")
        await until(pilot, lambda: fake_run.experiments)


async def test_keys_that_cannot_be_used_are_said_and_the_others_work(with_settings):
    settings = Settings(keys={"setup.rum": "f5", "quit": "ctrl+foo", "help": "f1"}, theme="drak")
    async with with_settings(settings) as (app, pilot):
        await until(pilot, lambda: len(app._notifications) >= 3)
        said = "\n".join(notification.message for notification in app._notifications)
        assert "there is no action 'setup.rum'; did you mean setup.run?" in said
        assert "there is no key 'ctrl+foo'" in said
        assert "there is no theme 'drak'" in said
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))


def test_one_key_is_not_given_to_two_actions_of_a_room():
    assert usable_keys({"run.pause": "x"})[1] == [
        "keys: run.pause = 'x' is the key of run.stop too; give one of them another"
    ]
    assert usable_keys({"run.pause": "x", "run.stop": "f8"}) == ({"run.pause": "x", "run.stop": "f8"}, [])


def test_every_action_of_every_room_has_one_id_and_says_what_it_does():
    rows = key_rows({})
    assert len({row.id for row in rows}) == len(rows)
    assert all(row.keys and row.meaning for row in rows)
    assert {"setup", "run", "compare", "charts", "history", "playground"} <= {row.room for row in rows}


def test_the_command_lists_them_as_they_are_set(config):
    from qrtui.cli import cli

    write(config, '[keys]\nquit = "f10"\nqiut = "q"\n')
    done = CliRunner().invoke(cli, ["keys"])
    assert done.exit_code == 0
    assert "f10" in next(line for line in done.stdout.splitlines() if line.startswith("quit "))
    assert str(config) in done.stdout
    assert "there is no action 'qiut'; did you mean quit?" in done.stderr


# Moving, and leaving


async def test_lists_and_tables_move_as_in_vi(opened, database):
    filled.fill(database)
    async with opened(experiment=filled.EXPERIMENT) as (app, pilot):
        models = app.screen.query_one("#models", CheckList)
        await until(pilot, lambda: models.option_count > 5)
        assert app.focused is models
        await pilot.press("j", "j")
        assert models.highlighted == 2
        await pilot.press("k")
        assert models.highlighted == 1
        await pilot.press("G")
        assert models.highlighted == models.option_count - 1
        await pilot.press("g")
        assert models.highlighted == 0
        await pilot.press("2")
        table = app.screen.query_one(ConditionsTable)
        await until(pilot, lambda: table.row_count == 9)
        await pilot.press("G")
        assert table.cursor_row == 8
        await pilot.press("ctrl+u")
        assert table.cursor_row < 8
        await pilot.press("g")
        assert table.cursor_row == 0


async def test_moving_serves_a_table_that_pages_by_itself():
    from textual.app import App
    from textual.screen import Screen

    from qrtui.tui.widgets.moves import MOVES, Moves

    class Paged(DataTable[str]):
        asked = ""

        def action_last(self) -> None:
            self.asked = "last"

    class Room(Moves, Screen[None]):
        BINDINGS = [*MOVES]

        def compose(self):
            yield Paged()
            yield OptionList("one", "two")

    app = App()
    async with app.run_test() as pilot:
        await app.push_screen(Room())
        app.screen.query_one(Paged).focus()
        await pilot.press("G")
        assert app.screen.query_one(Paged).asked == "last"


@pytest.mark.parametrize("theme", OURS)
async def test_the_room_behind_a_dialog_is_seen_in_every_theme(opened, theme):
    async with opened() as (app, pilot):
        app.theme = theme.name
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await pilot.pause()
        assert "Generation" in app.export_screenshot()


async def test_control_c_leaves_a_dialog_then_a_field_then_the_app(opened):
    async with opened(experiment=filled.EXPERIMENT) as (app, pilot):
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(app.screen, AskPath))
        await pilot.press("x", "ctrl+c")
        await until(pilot, lambda: not isinstance(app.screen, AskPath))
        app.screen.query_one("#limit", Input).focus()
        await pilot.press("ctrl+c")
        assert app.focused is None
        assert app.is_running
        await pilot.press("ctrl+c")
        await until(pilot, lambda: not app.is_running)


async def test_looking_at_a_wrong_path_makes_no_file(opened, database):
    async with opened() as (app, pilot):
        await until(pilot, lambda: "completions" in str(app.screen.query_one("#cost-line").content))
        await pilot.press("5")
        await until(pilot, lambda: app.screen.query_one("#no-history").display)
    assert not database.exists()
