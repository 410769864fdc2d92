"""Samples from elsewhere: `judge`."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qrtui import paths
from qrtui.commands import options
from qrtui.counting import counted
from qrtui.judge.values import printable

if TYPE_CHECKING:
    from qrtui.judge.samples import BadSample, Sample
    from qrtui.judge.verdict import Status, Verdict
    from qrtui.tasks.task import Task

_KS = (1, 10, 100)
_DETAIL = 100
_MOST_TOLD = 20
"""Lines on stderr about samples that cannot be judged; `--json` has them all."""
_WIDEST_STATUS = len("output too large")
_LEVELS = {
    "L3": "namespaces, Landlock and seccomp",
    "L2": "Landlock and seccomp",
    "L1": "NOT isolated: a process with limits, as you accepted",
}


@click.command()
@click.argument("samples", type=click.Path(path_type=Path), metavar="SAMPLES.jsonl")
@click.option("--dataset", help="The data set the samples are for: demo, humaneval, humaneval+, mbpp, mbpp+.")
@click.option("--tasks", "file", type=click.Path(path_type=Path), help="A file of tasks in EvalPlus' format instead.")
@options.consent
@options.json_flag
@click.pass_context
def judge(
    context: click.Context,
    samples: Path,
    dataset: str | None,
    file: Path | None,
    allow_unsafe_judge: bool,
    as_json: bool,
) -> None:
    """Judge a samples file as evalplus.evaluate does: one verdict a sample, and pass@k.

    A line of SAMPLES.jsonl (or .jsonl.gz) is a JSON object with task_id and solution, or task_id and completion, which
    is appended to the task's prompt. A line that cannot be judged is told on stderr; if it names a task, it counts as
    a sample that did not pass.
    """
    from qrtui.judge.pool import JudgePool
    from qrtui.judge.samples import SamplesError, judge_in_order, read_samples

    if (dataset is None) == (file is None):
        raise click.UsageError("give either --dataset NAME or --tasks FILE.jsonl", context)
    tasks = _tasks(dataset, file)
    if not samples.exists() or samples.is_dir():
        next(read_samples(samples, tasks), None)  # raises: it says what is wrong
    score = Score(tasks, dataset or str(file))
    say = (lambda line: None) if as_json else _say
    with _ended_by_signals(), _output(context):
        with JudgePool(os.cpu_count(), allow_unsafe=allow_unsafe_judge or _consented(context)) as pool:
            for item in judge_in_order(pool, read_samples(samples, tasks)):
                if isinstance(item, tuple) and not score.verdicts:
                    say(f"isolation {pool.level}: {_LEVELS[pool.level]}\n{score.header()}")
                _take(item, score, say)
        if (untold := len(score.skipped) - _MOST_TOLD) > 0:
            click.echo(f"qrtui: and {counted(untold, 'more line')} that cannot be judged", err=True)
        if not score.verdicts:
            raise SamplesError(f"{samples} holds no sample that can be judged", "see qrtui judge --help for the format")
        if as_json:
            options.print_json(score.as_json(pool.level))
        else:
            for line in score.summary():
                say(line)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP end the work in good order, even where a shell started us with SIGINT ignored.

    A SIGHUP that is ignored, as `nohup` has it, goes on being ignored.
    """
    heeded = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        heeded.append(signal.SIGHUP)
    former = {number: signal.signal(number, signal.default_int_handler) for number in heeded}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def _output(context: click.Context) -> Iterator[None]:
    """End in good order where what reads the output has gone, and with one line where the disk is full."""
    from qrtui.judge.samples import SamplesError

    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        # What is still in the buffer would fail once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.EPIPE:
            context.exit(0)
        raise SamplesError("the verdicts cannot be written: no space left", "make room, or write elsewhere") from None


def _say(text: str) -> None:
    click.echo("\n".join(map(printable, text.split("\n"))))


def _consented(context: click.Context) -> bool:
    return bool(context.parent and context.parent.params.get("allow_unsafe_judge"))


def _tasks(dataset: str | None, file: Path | None) -> dict[str, Task]:
    from qrtui.judge.samples import with_evalplus_types
    from qrtui.tasks.datasets import load_tasks, read_tasks

    if dataset is not None:
        return {task.task_id: task for task in load_tasks(dataset)}
    assert file is not None
    return {task.task_id: with_evalplus_types(task) for task in read_tasks(paths.expanded(file), str(file))}


def _take(item: tuple[Sample, Verdict] | BadSample, score: Score, say: Callable[[str], None]) -> None:
    if isinstance(item, tuple):
        say(score.add(*item))
        return
    score.skip(item)
    if len(score.skipped) <= _MOST_TOLD:
        click.echo(f"qrtui: {printable(str(item))}", err=True)


class Score:
    """Verdicts as they come in, and what they add up to."""

    def __init__(self, tasks: dict[str, Task], name: str) -> None:
        self._tasks, self._name = tasks, printable(name)
        self.verdicts: list[tuple[Sample, Verdict]] = []
        self.skipped: list[BadSample] = []
        self._plus = any(task.plus_input and not task.test for task in tasks.values())
        self._width = max(len("task"), *(len(printable(task_id)) for task_id in tasks))

    def header(self) -> str:
        """The line over the verdicts."""
        return self._line("task", "sample", "base", "plus", "")

    def add(self, sample: Sample, verdict: Verdict) -> str:
        """Count a verdict; returns its line."""
        self.verdicts.append((sample, verdict))
        return self._line(
            printable(sample.task.task_id),
            str(sample.number),
            verdict.base,
            verdict.plus or "-",
            _detail(verdict, _DETAIL),
        )

    def skip(self, bad: BadSample) -> None:
        """Count a sample that could not be judged."""
        self.skipped.append(bad)

    def pass_at(self, status: Callable[[Verdict], Status]) -> dict[str, float]:
        """pass@k, k as text, for each k of which every task with samples has so many: the mean over these tasks."""
        from qrtui.results.metrics import pass_at_k

        right: dict[str, list[bool]] = defaultdict(list)
        for sample, verdict in self.verdicts:
            right[sample.task.task_id].append(status(verdict) == "passed")
        for bad in self.skipped:
            if bad.task_id is not None:
                right[bad.task_id].append(False)
        fewest = min((len(each) for each in right.values()), default=0)
        return {
            str(k): _mean(pass_at_k(len(each), sum(each), k) for each in right.values()) for k in _KS if fewest >= k
        }

    def without_samples(self) -> int:
        """How many tasks no line of the file names."""
        named = {sample.task.task_id for sample, _ in self.verdicts} | {bad.task_id for bad in self.skipped}
        return sum(task_id not in named for task_id in self._tasks)

    def summary(self) -> list[str]:
        """The closing lines: counts, what is missing, pass@k."""
        counts = Counter(_status(verdict) for _, verdict in self.verdicts)
        told = ", ".join(f"{count} {status}" for status, count in counts.most_common())
        lines = ["", f"{counted(len(self.verdicts), 'sample')} judged: {told}"]
        if self.skipped:
            of_tasks = sum(bad.task_id is not None for bad in self.skipped)
            skipped = counted(len(self.skipped), "line")
            lines.append(f"{skipped} could not be judged; {of_tasks} of them count as not passed")
        if missing := self.without_samples():
            tasks = counted(len(self._tasks), "task")
            lines.append(f"{missing} of the {tasks} of {self._name} have no sample: pass@k is over the others")
        base, whole = self.pass_at(lambda verdict: verdict.base), self.pass_at(_status)
        for k, share in base.items():
            plus = f"   base and plus tests {whole[k]:.3f}" if self._plus else ""
            lines.append(f"pass@{k:<4} base tests {share:.3f}{plus}")
        return lines

    def as_json(self, level: str) -> dict[str, Any]:
        """Everything, for `--json`. `pass_at_k` follows `status`: all tests of a task, the added ones too."""
        return {
            "verdicts": [_row(sample, verdict) for sample, verdict in self.verdicts],
            "pass_at_k": self.pass_at(_status),
            "pass_at_k_base": self.pass_at(lambda verdict: verdict.base),
            "pass_at_k_plus": self.pass_at(_status) if self._plus else None,
            "level": level,
            "skipped": [
                {"line": bad.line, "task_id": bad.task_id, "problem": bad.problem, "way_out": bad.way_out}
                for bad in self.skipped
            ],
            "tasks": len(self._tasks),
            "tasks_without_samples": self.without_samples(),
        }

    def _line(self, task: str, sample: str, base: str, plus: str, detail: str) -> str:
        statuses = f"{base:<{_WIDEST_STATUS}}  {plus:<{_WIDEST_STATUS}}" if self._plus else f"{base:<{_WIDEST_STATUS}}"
        return f"{task:<{self._width}}  {sample:>6}  {statuses}  {detail}".rstrip()


def _status(verdict: Verdict) -> Status:
    return verdict.base if verdict.plus is None else verdict.plus


def _mean(shares: Iterable[float]) -> float:
    each = list(shares)
    return sum(each) / len(each)


def _row(sample: Sample, verdict: Verdict) -> dict[str, Any]:
    return {
        "task_id": sample.task.task_id,
        "sample": sample.number,
        "status": _status(verdict),
        "base": verdict.base,
        "plus": verdict.plus,
        "failing_input": verdict.failing_input,
        "expected": verdict.expected,
        "got": verdict.got,
        "error": verdict.error,
        "seconds": round(verdict.seconds, 3),
    }


def _detail(verdict: Verdict, limit: int) -> str:
    """What went wrong, in one clause of at most `limit` characters."""
    if verdict.error:
        text = f"{verdict.failing_input}: {verdict.error}" if verdict.failing_input else verdict.error
    elif verdict.got is not None:
        text = f"{verdict.failing_input} gave {verdict.got}, expected {verdict.expected}"
    else:
        text = verdict.failing_input or ""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
