"""Attacked prompts that somebody else made: read from a file, not computed."""

from __future__ import annotations

import functools
import json
import random
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, NamedTuple

import msgspec

from qrtui.errors import AttackError
from qrtui.perturb.attack import Attack, Edit, Subject, edits_between
from qrtui.perturb.spans import Span


class RecordedAttack(Attack, frozen=True, kw_only=True, tag="recorded"):
    """Replaces each prompt by the one that a `.jsonl` file has for its task.

    A line is an object with `task_id` and `prompt`; other keys are passed over. So ReCode (amazon-science/recode on
    GitHub) publishes its perturbations, one file for each method and seed:
    `dataset-release/perturbed_finalized/humaneval/full/nlaugmenter/humaneval_ButterFingersPerturbation_s0.jsonl`, with
    `task_id prompt entry_point canonical_solution test` and, by method, `seed perturbed` (nlaugmenter) or `partial`
    (natgen and format, where the prompt goes on into half of the solution). Ids are compared without regard to case:
    ReCode writes `MBPP/11` for EvalPlus' `Mbpp/11`.

    A recorded prompt may change code too, and `AttackedPrompt.touches_code` tells it; but a prompt that gives the
    function another name (ReCode's func_name) is refused, because the task's tests call it by the old one.

    `path` is relative to the present folder. `name` stands in the label, instead of the file's own.
    """

    level: ClassVar[str] = "recorded"

    path: Annotated[str, msgspec.Meta(min_length=1)]
    name: Annotated[str, msgspec.Meta(max_length=60, pattern=r"^(\w[\w.,+-]*( [\w.,+-]+)*)?$")] = ""

    @property
    def label(self) -> str:
        """`recorded` and the name, or else the file's without its ending."""
        return f"recorded {self.name or _printable(Path(self.path).stem)[:60] or 'prompts'}"

    def edits(self, text: str, spans: Sequence[Span], rng: random.Random) -> list[Edit]:
        """None are possible without knowing the task. Raises AttackError."""
        raise AttackError(f"{self.label} has prompts for tasks, not for any text", "name a task")

    def edits_of(self, subject: Subject, rng: random.Random) -> list[Edit]:
        """The edits, word by word, that lead to the recorded prompt.

        Raises AttackError for a file that cannot be read, a task it does not have, and a renamed function.
        """
        if not subject.task_id:
            return self.edits(subject.text, subject.spans, rng)
        prompts = read_recorded(self.path)
        recorded = prompts.get(subject.task_id.lower())
        if recorded is None:
            problem = f"{_printable(self.path)} has no prompt for {subject.task_id}"
            raise AttackError(problem, f"it has {len(prompts)}, from {next(iter(prompts.values())).task_id}")
        _refuse_renamed(subject, recorded, _printable(self.path))
        return edits_between(subject.text, recorded.prompt)


class Recorded(NamedTuple):
    """One line of a file of recorded prompts; `entry_point` is empty where the line has none."""

    task_id: str
    prompt: str
    entry_point: str


def read_recorded(path: str) -> MappingProxyType[str, Recorded]:
    """The recorded prompts of a file by task id in lower case; read once, and again when the file has changed.

    Raises AttackError naming the file and the line.
    """
    shown = _printable(path)
    try:
        file = Path(path).expanduser().resolve()
        status = file.stat()
    except FileNotFoundError:
        raise AttackError(f"there is no file {shown} of recorded prompts", "check the path") from None
    except (OSError, ValueError, RuntimeError) as error:
        raise AttackError(f"{shown} cannot be read: {_reason(error)}", "check the path") from None
    if not stat.S_ISREG(status.st_mode):
        raise AttackError(f"{shown} is not a file", "give a .jsonl file of recorded prompts")
    if status.st_size > _LARGEST:
        raise AttackError(f"{shown} is larger than {_LARGEST // 10**6} MB", "give a .jsonl file of recorded prompts")
    return _read(file, shown, status.st_mtime_ns, status.st_size)


_LARGEST = 256 * 10**6
_DEFINITION = re.compile(r"^(?:async\s+)?def\s+(\w+)\s*\(", re.MULTILINE)


@functools.lru_cache(maxsize=32)
def _read(file: Path, path: str, _changed: int, _size: int) -> MappingProxyType[str, Recorded]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AttackError(f"{path} cannot be read: {_reason(error)}", "give a .jsonl file in UTF-8") from None
    prompts: dict[str, Recorded] = {}
    # Not splitlines: a JSON text may hold other separators unescaped.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            recorded = _parsed(line, f"{path} line {number}")
            known = prompts.setdefault(recorded.task_id.lower(), recorded)
            if known.prompt != recorded.prompt:
                problem = f"{path} line {number}: task_id {recorded.task_id!r} is there twice, with another prompt"
                raise AttackError(problem, "keep one of them, or write a file for each")
    if not prompts:
        raise AttackError(f"{path} holds no recorded prompt", "give it one JSON object a line")
    return MappingProxyType(prompts)


def _parsed(line: str, place: str) -> Recorded:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise AttackError(f"{place}: not JSON ({error})", "give one JSON object a line") from None
    if not isinstance(fields, dict):
        raise AttackError(f"{place}: not a JSON object", "give one JSON object a line")
    return Recorded(_text(fields, "task_id", place), _text(fields, "prompt", place), _entry_point(fields))


def _text(fields: dict[str, Any], key: str, place: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str) or not value.strip():
        raise AttackError(f"{place}: no {key!r}", "each line needs task_id and prompt, both texts")
    if re.search(r"[\ud800-\udfff]", value):
        raise AttackError(f"{place}: {key!r} holds half a surrogate pair, which is no text", "mend that line")
    return value


def _entry_point(fields: dict[str, Any]) -> str:
    value = fields.get("entry_point")
    return value if isinstance(value, str) and value.isidentifier() else ""


def _refuse_renamed(subject: Subject, recorded: Recorded, path: str) -> None:
    """Refuse a prompt for a function that the task's tests do not call: every answer to it would fail."""
    defined = _DEFINITION.findall(subject.text)
    wanted, where = (defined[-1], recorded.prompt) if defined else (recorded.entry_point, subject.text)
    if wanted and not re.search(rf"\b{re.escape(wanted)}\b", where):
        problem = f"{path} gives the function of {subject.task_id} another name"
        raise AttackError(problem, "the task's tests call it by the old one: take a file that keeps the names")


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
