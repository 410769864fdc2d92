"""Samples files as EvalPlus writes them: read line by line, each line a sample or what is wrong with it."""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from qrtui.errors import JudgeError, QrtuiError, nearest
from qrtui.judge.pool import JudgePool
from qrtui.judge.verdict import Verdict
from qrtui.tasks.task import Task

MAX_SOLUTION = 1_000_000
"""Characters of a program. The longest reference of any benchmark here has some thousand."""
MAX_LINE = 32 << 20
_AHEAD = 64
_KEYS = "a line is a JSON object with task_id and solution, or task_id and completion"


class SamplesError(QrtuiError):
    """A samples file that is absent, unreadable, or holds nothing to judge."""

    title = "The samples cannot be judged"


@dataclass(frozen=True)
class Sample:
    """A program to judge. `number` counts the samples of a task in the file's order, from 0."""

    line: int
    task: Task
    number: int
    program: str


@dataclass(frozen=True)
class BadSample:
    """A line that cannot be judged, and what to do about it; `task_id` where it names a known task."""

    line: int
    problem: str
    way_out: str
    task_id: str | None = None

    def __str__(self) -> str:
        return f"line {self.line}: {self.problem}; {self.way_out}"


def read_samples(path: Path, tasks: Mapping[str, Task]) -> Iterator[Sample | BadSample]:
    """Each sample of a `.jsonl` or `.jsonl.gz` file in order, and each line that is none.

    Raises SamplesError where the file cannot be opened; one that breaks off ends in a BadSample.
    """
    numbers: Counter[str] = Counter()
    line = 0
    if path.exists() and not (path.is_file() or path.is_fifo() or path.is_dir()):
        raise SamplesError(f"{path} is a device", "name the .jsonl file of samples")
    try:
        with _opened(path) as stream:
            for line, content in _lines(stream):
                found = _sample(line, content, tasks, numbers)
                if found is not None:
                    yield found
    except FileNotFoundError:
        raise SamplesError(f"there is no samples file {path}", "check the path") from None
    except IsADirectoryError:
        raise SamplesError(f"{path} is a folder", "name the .jsonl file of samples") from None
    except (OSError, EOFError, zlib.error) as error:
        if line:
            yield BadSample(line + 1, f"the file is damaged from here on ({error})", "fetch or write it again")
            return
        raise SamplesError(f"the samples file {path} cannot be read: {error}", "check the file") from None


def judge_in_order(
    pool: JudgePool, samples: Iterable[Sample | BadSample]
) -> Iterator[tuple[Sample, Verdict] | BadSample]:
    """Every sample with its verdict, in the order of `samples`, while later ones are being judged.

    The same program of the same task is judged once. A task that cannot be judged makes its samples bad ones.
    """
    waiting: deque[tuple[Sample, Future[Verdict]] | BadSample] = deque()
    asked: dict[tuple[str, str], Future[Verdict]] = {}
    for sample in samples:
        if isinstance(sample, BadSample):
            waiting.append(sample)
        else:
            key = (sample.task.task_id, sample.program)
            if key not in asked:
                asked[key] = pool.submit(sample.task, sample.program)
            waiting.append((sample, asked[key]))
        while waiting and (len(waiting) > _AHEAD or isinstance(waiting[0], BadSample) or waiting[0][1].done()):
            yield _settled(waiting.popleft())
    while waiting:
        yield _settled(waiting.popleft())


def with_evalplus_types(task: Task) -> Task:
    """The task with the types that JSON cannot write, as EvalPlus restores them for MBPP's inputs (tuples, sets,
    complex numbers); other benchmarks have none."""
    if not task.task_id.startswith("Mbpp/"):
        return task
    from evalplus.data.mbpp import mbpp_deserialize_inputs

    try:
        base, plus = (mbpp_deserialize_inputs(task.task_id, inputs) for inputs in (task.base_input, task.plus_input))
    except (ValueError, TypeError, AttributeError, IndexError):
        return task  # not MBPP's own task of that number
    return msgspec.structs.replace(task, base_input=[list(one) for one in base], plus_input=[list(one) for one in plus])


def _settled(waiting: tuple[Sample, Future[Verdict]] | BadSample) -> tuple[Sample, Verdict] | BadSample:
    if isinstance(waiting, BadSample):
        return waiting
    sample, future = waiting
    try:
        return sample, future.result()
    except JudgeError as error:
        return BadSample(sample.line, error.problem, error.way_out or "see qrtui doctor", sample.task.task_id)


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Lines from 1 on, without reading more than MAX_LINE of any: None for one that is longer."""
    number = 0
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        if len(line) <= MAX_LINE:
            yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE)
        yield number, None


def _sample(
    line: int, content: bytes | None, tasks: Mapping[str, Task], numbers: Counter[str]
) -> Sample | BadSample | None:
    """The sample on a line; None for an empty line."""
    if content is not None and not content.strip():
        return None
    try:
        fields = _fields(content)
        task = _task(fields, tasks)
    except _Unusable as bad:
        return BadSample(line, bad.problem, bad.way_out)
    try:
        program = _program(fields, task)
    except _Unusable as bad:
        return BadSample(line, f"{task.task_id}: {bad.problem}", bad.way_out, task.task_id)
    numbers[task.task_id] += 1
    return Sample(line, task, numbers[task.task_id] - 1, program)


class _Unusable(Exception):  # noqa: N818 - it becomes a BadSample
    def __init__(self, problem: str, way_out: str) -> None:
        self.problem, self.way_out = problem, way_out
        super().__init__(problem)


def _fields(content: bytes | None) -> dict[str, Any]:
    if content is None:
        raise _Unusable(f"longer than {MAX_LINE >> 20} MiB", "split the file into one JSON object a line")
    try:
        fields = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _Unusable(f"not UTF-8 (byte {error.start})", "write the file as UTF-8") from None
    except json.JSONDecodeError as error:
        raise _Unusable(f"not JSON ({error.msg} at column {error.colno})", "give one JSON object a line") from None
    except (ValueError, RecursionError):
        raise _Unusable("not JSON that can be read (a number or a nesting too large)", _KEYS) from None
    if not isinstance(fields, dict):
        raise _Unusable(f"not a JSON object but a {type(fields).__name__}", _KEYS)
    return fields


def _task(fields: dict[str, Any], tasks: Mapping[str, Task]) -> Task:
    name = fields.get("task_id")
    if not isinstance(name, str):
        raise _Unusable("no task_id" if name is None else f"task_id is no text but a {type(name).__name__}", _KEYS)
    if name not in tasks:
        known = list(tasks)
        shown = ascii(name[:60])
        raise _Unusable(f"no task {shown}", nearest(name[:60], known) or f"the tasks are {known[0]} to {known[-1]}")
    return tasks[name]


def _program(fields: dict[str, Any], task: Task) -> str:
    key = "completion" if fields.get("solution") is None else "solution"
    text = fields.get(key)
    if not isinstance(text, str):
        problem = "neither solution nor completion" if text is None else f"{key} is no text but a {type(text).__name__}"
        raise _Unusable(problem, _KEYS)
    if not text.strip():
        raise _Unusable(f"the {key} is empty", "generate it again, or take the line out")
    if len(text) > MAX_SOLUTION:
        raise _Unusable(
            f"the {key} has {len(text):,} characters", f"cut it to the program (at most {MAX_SOLUTION:,} characters)"
        )
    if "\0" in text:
        raise _Unusable(f"a NUL byte in the {key} (character {text.index(chr(0))})", "take it out: Python has none")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _Unusable(
            f"half a surrogate pair in the {key} (character {error.start})", "write whole characters: \\ud83d\\ude00"
        ) from None
    return text if key == "solution" else task.prompt + text
