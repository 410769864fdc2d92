"""A turn as text: for the clipboard, for pipes, and as JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from qrtui.counting import counted
from qrtui.events import Written
from qrtui.judge.verdict import Verdict
from qrtui.perturb.naming import perturbation_name
from qrtui.playground.own_task import is_own, unread_assertions
from qrtui.playground.turn import Turn
from qrtui.printable import printable
from qrtui.tasks.datasets import scored_by_plus


class Side(NamedTuple):
    """What one model wrote, and its verdict if it was judged."""

    precision: str
    written: Written
    verdict: Verdict | None


def status_of(verdict: Verdict, dataset: str) -> str:
    """The status that decides whether the task passed: that of the added tests where its data set asks for them."""
    if scored_by_plus(dataset) and verdict.base == "passed" and verdict.plus is not None:
        return verdict.plus
    return verdict.base


def turn_json(turn: Turn, prompt: str, sides: Sequence[Side]) -> dict[str, Any]:
    """The turn as plain values; `prompt` is what both models got."""
    return {
        "task": None if is_own(turn.task) else turn.task.task_id,
        "model": turn.model.id,
        "perturbation": turn.perturbation.label,
        "seed": turn.seed,
        "before": turn.prompt,
        "prompt": prompt,
        "changed": prompt != turn.prompt,
        "unread_tests": _unread(turn),
        "sides": [_side_json(side, turn, is_original=at == 0) for at, side in enumerate(sides)],
    }


def _side_json(side: Side, turn: Turn, *, is_original: bool) -> dict[str, Any]:
    written, verdict = side.written, side.verdict
    rate = written.tokens / written.seconds if written.seconds else None
    return {
        "precision": side.precision,
        "original": is_original,
        "text": written.text,
        "finish": written.finish,
        "tokens": written.tokens,
        "seconds": written.seconds,
        "tokens_per_second": rate,
        "seconds_to_first_token": written.first_token,
        "known": written.known,
        "status": status_of(verdict, turn.task.dataset) if verdict else None,
        "verdict": msgspec.to_builtins(verdict) if verdict else None,
    }


def side_lines(side: Side, turn: Turn) -> list[str]:
    """Numbers and verdict in a few lines of plain text."""
    written, verdict = side.written, side.verdict
    rate = f", {written.tokens / written.seconds:.0f} tok/s" if written.seconds else ""
    first = f", first token after {written.first_token:.1f} s" if written.first_token is not None else ""
    known = ", made before" if written.known else ""
    cut = ", cut off at the token limit" if written.finish == "length" else ""
    lines = [f"{counted(written.tokens, 'token')}{rate}{first}{known}{cut}"]
    unread = [f"no test, as Python cannot read it: {line}" for line in _unread(turn)]
    if verdict is None:
        return [printable(line) for line in (*lines, "not judged", *unread)]
    lines.append(status_of(verdict, turn.task.dataset))
    if verdict.failing_input:
        got = verdict.got if verdict.got is not None else verdict.error or "nothing"
        wanted = f"expected {verdict.expected}, " if verdict.expected is not None else ""
        lines.append(f"{verdict.failing_input}: {wanted}got {got}")
    elif verdict.error:
        lines.append(verdict.error)
    lines += unread
    return [printable(" ".join(line.split())) for line in lines]


def _unread(turn: Turn) -> list[str]:
    return unread_assertions(turn.prompt) if is_own(turn.task) else []


def turn_markdown(turn: Turn, prompt: str, sides: Sequence[Side]) -> str:
    """Prompt, both completions and what became of them."""
    name = "A prompt of my own" if is_own(turn.task) else turn.task.task_id
    edited = ", edited" if turn.is_edited else ""
    seed = "" if turn == turn.clean() else f", seed {turn.seed}"
    parts = [f"# {name}{edited}: {perturbation_name(turn.perturbation.label)}{seed}", "", *_fenced(prompt, "")]
    for at, side in enumerate(sides):
        kind = "quantized" if at else "original"
        parts += ["", f"## {turn.model.id} {side.precision} ({kind})", ""]
        parts += [f"- {line}" for line in side_lines(side, turn)]
        parts += ["", *_fenced(side.written.text, "python")]
    return printable("\n".join(parts) + "\n")


def _fenced(text: str, language: str) -> list[str]:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", text.strip("\n"), fence]
