"""What each file of an exported run holds, line by line, and how the lines are written and read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from qrtui.counting import counted
from qrtui.errors import QrtuiError

MAX_LINE = 64 << 20
"""Bytes. The longest lines are completions of some thousand tokens: a thousandth of that."""

Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Word = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f-\x9f]{1,1000}$")]
"""One line without control characters: what is shown on a terminal as it is."""
Status = Annotated[str, Meta(pattern="^[a-z ]{1,40}$")]
Moment = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")]
Count = Annotated[int, Meta(ge=0, le=1 << 62)]
Seconds = Annotated[float, Meta(ge=0, le=1e12)]
Share = Annotated[float, Meta(ge=0, le=1)]


class ExchangeError(QrtuiError):
    """A folder that cannot be written, or that holds no whole run."""

    title = "The run cannot be exchanged"


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a file: a JSON object with just these keys."""


class ConditionLine(Line, frozen=True):
    """A condition; they stand in their planned order."""

    model: Word
    precision: Word
    is_baseline: bool
    dataset: Word
    perturbation: Word


class ResultLine(Line, frozen=True):
    """A planned result: `condition` is the number of a line of `conditions.jsonl`, from 0; the others are keys."""

    condition: Count
    task: Word
    sample: Count
    task_hash: Word
    prompt: Hash
    completion: Hash


class PromptLine(Line, frozen=True):
    """A prompt under the SHA-256 of its text."""

    hash: Hash
    text: str


class DoseLine(Line, frozen=True):
    """How much noise weights carried, under the SHA-256 of its JSON."""

    hash: Hash
    dose: msgspec.Raw


class CompletionLine(Line, frozen=True):
    """A completion under the SHA-256 of its determinants; the prompt, which is one of them, is named by its hash."""

    key: Hash
    determinants: msgspec.Raw
    prompt: Hash
    text: str
    solution: str
    finish: Word
    tokens: Count
    seconds: Seconds
    memory: Count | None
    weights_perturbed: Share | None
    dose: Hash | None
    created: Moment


class VerdictLine(Line, frozen=True):
    """What one version of the judge said of a program (the SHA-256 of its text) for a task."""

    solution: Hash
    task_hash: Word
    judge_version: Word
    base: Status
    plus: Status | None
    failing_input: str | None
    expected: str | None
    got: str | None
    error: str | None
    level: Word
    seconds: Seconds
    created: Moment


class TranslationLine(Line, frozen=True):
    """A sentence of a prompt, and what a translation engine made of it."""

    engine: Word
    revision: Word
    source: str
    result: str
    created: Moment


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file holds: so many lines, and their SHA-256."""

    lines: Count
    sha256: Hash


class Exchanged(NamedTuple):
    """A file of an exported run."""

    name: str
    kind: type[Line]


FILES = (
    Exchanged("conditions.jsonl", ConditionLine),
    Exchanged("results.jsonl", ResultLine),
    Exchanged("prompts.jsonl", PromptLine),
    Exchanged("doses.jsonl", DoseLine),
    Exchanged("completions.jsonl", CompletionLine),
    Exchanged("verdicts.jsonl", VerdictLine),
    Exchanged("translations.jsonl", TranslationLine),
)

_L = TypeVar("_L", bound=Line)


def write_lines(path: Path, lines: Iterable[Line]) -> Manifest:
    """Write a file; returns what it holds. The same lines give the same bytes."""
    count, sha = 0, hashlib.sha256()
    with path.open("wb") as stream:
        for line in lines:
            written = msgspec.json.encode(line) + b"\n"
            stream.write(written)
            sha.update(written)
            count += 1
    return Manifest(count, sha.hexdigest())


class LinesReader:
    """Reads the files of a folder and knows where it is, so that an error can name the file and the line."""

    def __init__(self, folder: Path, manifests: dict[str, Manifest]) -> None:
        self._folder, self._manifests = folder, manifests
        self._place = ""

    def read(self, name: str, kind: type[_L]) -> Iterator[_L]:
        """The lines of a file in order. Raises ExchangeError for one that is none, and where the file is not whole."""
        path, manifest = self._folder / name, self._manifests.get(name)
        if manifest is None or not path.is_file():
            raise ExchangeError(f"{self._folder} has no {name}", "export the run again")
        number, sha, decoder = 0, hashlib.sha256(), msgspec.json.Decoder(kind)
        with path.open("rb") as stream:
            while content := stream.readline(MAX_LINE):
                number += 1
                self._place = f"{path}, line {number}"
                sha.update(content)
                yield self._line(content, decoder)
        self._place = str(path)
        if number != manifest.lines:
            raise self.refuse(f"it has {counted(number, 'line')}, and was written with {manifest.lines}")
        if sha.hexdigest() != manifest.sha256:
            raise self.refuse("it was changed after it was written (its SHA-256 is another)")

    def _line(self, content: bytes, decoder: msgspec.json.Decoder[_L]) -> _L:
        if not content.endswith(b"\n"):
            raise self.refuse("it breaks off in this line, or the line is too long")
        try:
            # Parts that are taken over as they are (Raw) would not be looked at by the decoder.
            content.decode()
            return decoder.decode(content)
        except UnicodeDecodeError:
            raise self.refuse("not UTF-8") from None
        except (msgspec.MsgspecError, RecursionError) as error:
            raise self.refuse(in_plain_words(error)) from None

    def refuse(self, problem: str) -> ExchangeError:
        """The error for the line that was read last."""
        return ExchangeError(f"{self._place}: {problem}", "nothing was imported; export the run again")


def in_plain_words(error: Exception) -> str:
    """What is wrong with a line or table, the key first."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    what, _, key = str(error).replace("`", "").partition(" - at $")
    return f"{key.lstrip('.')}: {what}" if key.lstrip(".") else what


def is_moment(text: str) -> bool:
    """Whether a text that looks like a time is one."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def plain(raw: msgspec.Raw) -> str:
    """A piece of JSON as it was written."""
    return bytes(raw).decode()


def as_raw(text: str) -> Any:
    """A piece of JSON to be written as it is."""
    return msgspec.Raw(text.encode())
