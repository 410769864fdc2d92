"""Files that somebody else wrote, damaged in every way that chance finds; and what reads them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import tomli_w
from hypothesis import strategies as st

from qrtui.errors import QrtuiError
from qrtui.judge.samples import read_samples
from qrtui.plan import make_plan
from qrtui.presets import load_preset
from qrtui.results.store import Store
from qrtui.settings import read_settings
from qrtui.spec import to_table
from qrtui.tasks.datasets import load_tasks

from .hostile_texts import NASTY, TWO_LINES

_VALUES = (
    *(
        None,
        True,
        -1,
        0,
        2**31,
        2**63,
        2**64,
        10**400,
        1e-320,
        1e308,
        float("nan"),
        float("inf"),
        "",
        " ",
        "\0",
        "é\u2028",
    ),
    *(
        NASTY,
        TWO_LINES,
        "\ud800",
        "x" * 5000,
        "/dev/zero",
        "/etc/passwd",
        "../..",
        "~nobody/x",
        "a/b",
        "[/]",
        "demo.jsonl",
    ),
    *([], {}, [[]], [None], [[[[[[]]]]]], {"": {}}, {"a": [1, "b"]}, ["x"] * 300, date(2020, 1, 1)),
)
_BYTES = (
    b"",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\r",
    b"\n",
    b'"',
    b"[" * 5000,
    b"{" * 5000,
    b"9" * 5000,
    b"\\ud800",
    b"\x1b[2J",
)


_values = st.sampled_from(_VALUES).map(copy.deepcopy)


class Subject(NamedTuple):
    """A kind of file: its name, sound contents as values, how values are written, and all that reads such a file."""

    file: str
    values: Callable[[], Any]
    write: Callable[[Any], bytes]
    read: Callable[[Path], object]


def damaged(subject: Subject) -> st.SearchStrategy[bytes]:
    """Contents of such a file with one value or some bytes replaced by what nobody expects there."""
    return st.one_of(_replaced(subject), _cut_up(subject), st.binary(max_size=60))


@st.composite
def _replaced(draw: st.DrawFn, subject: Subject) -> bytes:
    values = {"": copy.deepcopy(subject.values())}
    for _ in range(draw(st.integers(1, 2))):
        places = list(_places(values))
        place, key = places[draw(st.integers(0, len(places) - 1))]
        match draw(st.sampled_from(["replace", "replace", "drop", "add"])):
            case "replace":
                place[key] = draw(_values)
            case "drop" if place is not values:
                del place[key]
            case _ if isinstance(place, dict):
                place[draw(st.sampled_from(["", "x", "id", "kind", "\x1b", "a.b"]))] = draw(_values)
    try:
        return subject.write(values.get(""))
    except (TypeError, ValueError, AttributeError):  # TOML has no null, for one
        return b""


@st.composite
def _cut_up(draw: st.DrawFn, subject: Subject) -> bytes:
    content = bytearray(subject.write(subject.values()))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content)))
        end = min(len(content), at + draw(st.sampled_from([0, 0, 1, 5, 10**6])))
        content[at:end] = draw(st.sampled_from(_BYTES) | st.binary(min_size=1, max_size=2))
    return bytes(content)


def _places(inside: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in nested tables and lists, as what holds it and its key there."""
    for key in list(inside if isinstance(inside, dict) else range(len(inside))):
        yield inside, key
        if isinstance(inside[key], dict | list):
            yield from _places(inside[key])


def meets(subject: Subject, path: Path) -> QrtuiError | None:
    """What a person is told of the file; None where it is taken. Any other error passes through."""
    try:
        subject.read(path)
    except QrtuiError as error:
        return error
    return None


# The kinds of files, and all that reads each


def _plan(preset: Path, *changes: str) -> None:
    """Plan a preset and begin its run, which puts all that it holds into a database."""
    experiment = load_preset(str(preset), changes)
    with Store(preset.with_name("planned.db")) as store:
        plan = make_plan(experiment, store, counting=True)
        store.begin_run(experiment.name, to_table(experiment), plan.conditions, {})


def _preset() -> dict[str, Any]:
    return {
        "name": "hostile",
        "description": "words",
        "seed": 1,
        "device": "cpu",
        "models": [{"id": "someone/model", "trust_remote_code": False}, {"id": "smollm2-135m"}],
        "precisions": {"baseline": "fp32", "quantized": ["int8"]},
        "tasks": {"datasets": ["demo"], "tasks": ["Demo/1", "Demo/2"], "limit": 2},
        "attacks": [{"kind": "char", "probability": 0.5}, {"kind": "typos"}],
        "noise": {"kinds": ["gaussian"], "levels": [0.001], "protocols": ["published"]},
        "generation": {"max_new_tokens": 8, "samples": 1, "temperature": 0.0, "batch_size": "auto", "prompt": "auto"},
    }


def _tasks() -> list[dict[str, Any]]:
    return [
        {
            "task_id": f"Own/{number}",
            "prompt": "def double(x):\n",
            "entry_point": "double",
            "canonical_solution": "    return 2 * x\n",
            "base_input": [[1], [[2.5, "a", None]]],
            "plus_input": [[3]],
            "contract": "",
            "atol": 0,
        }
        for number in range(2)
    ]


def _plan_tasks(path: Path) -> None:
    preset = path.with_name("preset.toml")
    preset.write_bytes(_toml({**_preset(), "attacks": [{"kind": "char"}], "tasks": {"datasets": [str(path)]}}))
    _plan(preset)


def _recorded() -> list[dict[str, Any]]:
    return [{"task_id": task.task_id, "prompt": task.prompt, "entry_point": task.entry_point} for task in _demo()]


def _plan_recorded(path: Path) -> None:
    preset = path.with_name("preset.toml")
    preset.write_bytes(_toml({**_preset(), "attacks": [{"kind": "recorded", "path": str(path)}]}))
    _plan(preset)


def _samples() -> list[dict[str, Any]]:
    return [{"task_id": task.task_id, "solution": task.reference} for task in _demo()]


def _demo() -> list[Any]:
    return load_tasks("demo")[:3]


def _jsonl(lines: Any) -> bytes:
    listed = lines if isinstance(lines, list) else [lines]
    return "\n".join(map(json.dumps, listed)).encode()


def _toml(table: Any) -> bytes:
    return tomli_w.dumps(table).encode("utf-8", "surrogatepass")


SUBJECTS = {
    "preset": Subject("preset.toml", _preset, _toml, _plan),
    "tasks": Subject("tasks.jsonl", _tasks, _jsonl, _plan_tasks),
    "recorded prompts": Subject("prompts.jsonl", _recorded, _jsonl, _plan_recorded),
    "samples": Subject(
        "samples.jsonl",
        _samples,
        _jsonl,
        lambda path: list(read_samples(path, {task.task_id: task for task in load_tasks("demo")})),
    ),
    "settings": Subject(
        "config.toml",
        lambda: {"theme": "nord", "database": "x.db", "preset": "demo", "mouse": True, "keys": {"quit": "q"}},
        _toml,
        read_settings,
    ),
}
