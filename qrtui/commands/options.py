"""Options that several commands share, and what they open and print."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from qrtui import paths
from qrtui.errors import StoreError
from qrtui.printable import escaped_json

if TYPE_CHECKING:
    from qrtui.results.store import Store

Command = TypeVar("Command", bound=Callable[..., Any])


def database(command: Command) -> Command:
    """`--db FILE`."""
    return click.option(
        "--db",
        "database",
        type=click.Path(path_type=Path),
        help="The database (default: QRTUI_DB, else the user's data folder).",
    )(command)


def consent(command: Command) -> Command:
    """`--allow-unsafe-judge`."""
    return click.option(
        "--allow-unsafe-judge",
        is_flag=True,
        help="Judge even where generated code cannot be isolated from this machine.",
    )(command)


def json_flag(command: Command) -> Command:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def changes(command: Command) -> Command:
    """`--limit N` and `--set A.B=C`, which change a preset."""
    command = click.option(
        "--set", "overrides", multiple=True, metavar="A.B=C", help="Change a key of the preset; may be repeated."
    )(command)
    return click.option("--limit", type=click.IntRange(min=1), help="Only the first so many tasks of each data set.")(
        command
    )


def open_store(path: Path | None, *, must_exist: bool = False) -> Store:
    """The database at `path`, or the user's own. Raises StoreError, also if it `must_exist` and does not."""
    from qrtui.results.store import Store

    path = path or paths.database()
    if must_exist and not path.exists():
        raise StoreError(
            f"there is no run yet: no database at {path}", "start one with: qrtui demo, or name another with --db"
        )
    return Store(path)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(escaped_json(json.dumps(value, indent=2, ensure_ascii=False)))
