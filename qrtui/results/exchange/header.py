"""`run.toml`: what a run is, what it ran on, and what the other files hold."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import tomli_w

from qrtui.results.exchange.lines import ExchangeError, Manifest, Moment, Word, in_plain_words, is_moment
from qrtui.results.records import RunStatus

FORMAT = 1
"""Raise it when a folder is written that older programs would misread."""
NAME = "run.toml"
_MAX_BYTES = 16 << 20
_COMMENT = "# A run of qrtui. To have it on another machine: qrtui import <this folder>\n\n"

_MEND = "mend it, or export the run again"

Place = list[str | int]


class RunTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A run without its number, which is another in every database."""

    name: Word
    status: RunStatus
    started: Moment
    finished: Moment | None = None
    tags: list[Word] = []


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. `nulls` says where the experiment and the environment hold nothing, which TOML cannot write."""

    format: int
    run: RunTable
    experiment: dict[str, Any]
    environment: dict[str, Any]
    nulls: list[Place] = []
    files: dict[str, Manifest]


class _Environment(msgspec.Struct):
    """What screens and reports take for granted of an environment."""

    qrtui: Word | None = None
    python: Word | None = None
    device: Word | None = None
    judge_level: Word | None = None
    versions: dict[str, Word] | None = None
    attacks: dict[str, str] | None = None


def write_header(folder: Path, header: Header) -> None:
    """Write `run.toml`."""
    nulls: list[Place] = []
    table = msgspec.to_builtins(header)
    for part in ("experiment", "environment"):
        table[part] = _without_nulls(table[part], [part], nulls)
    table["nulls"] = sorted(nulls, key=repr)
    text = _COMMENT + tomli_w.dumps(table)
    (folder / NAME).write_bytes(text.encode("utf-8", "backslashreplace"))


def read_header(folder: Path) -> Header:
    """Read `run.toml`. Raises ExchangeError with the file and, where it can, the line or key."""
    path = folder / NAME
    if not path.is_file():
        raise ExchangeError(f"{folder} is no exported run: it has no {NAME}", "give the folder that qrtui export wrote")
    table = _parsed(path)
    if table.get("format") != FORMAT:
        raise ExchangeError(
            f"{path}: this program reads format {FORMAT}, not {table.get('format')!r}", "update qrtui, or export again"
        )
    try:
        header = msgspec.convert(table, Header)
        msgspec.convert(header.environment, _Environment)
        for place in header.nulls:
            _put_null({"experiment": header.experiment, "environment": header.environment}, place)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ExchangeError(f"{path}: {in_plain_words(error)}", _MEND) from None
    except (LookupError, TypeError, ValueError):
        raise ExchangeError(f"{path}: nulls: there is no such place", _MEND) from None
    for moment in (header.run.started, header.run.finished or header.run.started):
        if not is_moment(moment):
            raise ExchangeError(f"{path}: {moment} is no time", _MEND)
    return header


def _parsed(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise ValueError("it is too large")
        return tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ExchangeError(f"{path}: not TOML: {reason}", "export the run again") from None


def _without_nulls(value: Any, place: Place, nulls: list[Place]) -> Any:
    if isinstance(value, dict):
        nulls += [[*place, key] for key, inner in value.items() if inner is None]
        return {key: _without_nulls(inner, [*place, key], nulls) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        nulls += [[*place, at] for at, inner in enumerate(value) if inner is None]
        return [
            False if inner is None else _without_nulls(inner, [*place, at], nulls) for at, inner in enumerate(value)
        ]
    return value


def _put_null(table: Any, place: Place) -> None:
    *way, last = place
    for step in way:
        table = table[step]
    if isinstance(table, list) != isinstance(last, int) or len(place) < 2:
        raise LookupError(place)
    table[last] = None
