"""Takes over a run from a folder: everything is checked, and kept in one transaction or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import msgspec

from qrtui.paths import expanded
from qrtui.perturb.dose import Dose
from qrtui.perturb.noise import NoiseKind
from qrtui.results.exchange.header import Header, read_header
from qrtui.results.exchange.lines import (
    CompletionLine,
    ConditionLine,
    DoseLine,
    ExchangeError,
    LinesReader,
    PromptLine,
    ResultLine,
    TranslationLine,
    VerdictLine,
    in_plain_words,
    is_moment,
    plain,
)
from qrtui.results.planned import fingerprint, insert_run, keep_outcomes
from qrtui.results.records import Determinants, PlannedCondition, PlannedResult, digest
from qrtui.results.store import Store


class Imported(NamedTuple):
    """What an import brought: the run's number here, whether it was new, and how many rows were."""

    run: int
    is_new: bool
    results: int
    completions: int
    verdicts: int


def import_run(store: Store, folder: Path) -> Imported:
    """Take over an exported run. What is here already stays as it is, so that nothing is ever there twice.

    A run is here already if one of the same conditions and results began at the same moment; it is then given the
    completions and verdicts that it lacks, and counts as finished if the imported one does. Raises ExchangeError, with
    the file and the line, for anything that is not as an export writes it; then nothing was imported.
    """
    folder = expanded(folder)
    header = read_header(folder)
    try:
        return _Import(store, header, LinesReader(folder, header.files)).take_over()
    except OSError as error:
        raise ExchangeError(f"{folder} cannot be read: {error.strerror or error}", "nothing was imported") from None


class _Import:
    """One import. What a file says is held against what was read of the files before it."""

    def __init__(self, store: Store, header: Header, reader: LinesReader) -> None:
        self._store, self._header, self._reader = store, header, reader
        self._refuse = reader.refuse
        self._results: dict[str, ResultLine] = {}
        self._prompts: dict[str, str] = {}
        self._doses: set[str] = set()
        self._programs: set[str] = set()
        self._made: set[str] = set()

    def take_over(self) -> Imported:
        """Read all files; returns what was new."""
        conditions = list(self._read_conditions())
        results = list(self._read_results(len(conditions)))
        self._results = {line.completion: line for line in results}
        with self._store.writing() as db:
            db.executemany("INSERT OR IGNORE INTO prompts VALUES (?, ?)", self._read_prompts())
            self._check_prompts(results)
            db.executemany("INSERT OR IGNORE INTO doses VALUES (?, ?)", self._read_doses())
            completions = db.executemany(
                f"INSERT OR IGNORE INTO completions VALUES ({','.join('?' * 13)})", self._read_completions()
            ).rowcount
            verdicts = db.executemany(
                f"INSERT OR IGNORE INTO verdicts VALUES ({','.join('?' * 12)})", self._read_verdicts()
            ).rowcount
            db.executemany("INSERT OR IGNORE INTO translations VALUES (?, ?, ?, ?, ?)", self._read_translations())
            run, is_new = self._keep_run(db, conditions, results)
        return Imported(run, is_new, len(results), completions, verdicts)

    def _keep_run(self, db: Any, conditions: list[ConditionLine], results: list[ResultLine]) -> tuple[int, bool]:
        head = self._header.run
        identity = fingerprint(self._planned(conditions, results))
        here = self._store.row(
            "SELECT id, status FROM runs WHERE fingerprint = ? AND started = ?", [identity, head.started]
        )
        if here is not None:
            if head.status == "finished":
                db.execute(
                    "UPDATE runs SET status = 'finished', finished = ? WHERE id = ? AND status <> 'finished'",
                    [head.finished, here[0]],
                )
            keep_outcomes(db, here[0])
            return here[0], False
        texts = [json.dumps(table) for table in (self._header.experiment, self._header.environment)]
        values = (head.name, texts[0], identity, head.status, head.started, head.finished, texts[1])
        by_condition: list[list[ResultLine]] = [[] for _ in conditions]
        for line in results:
            by_condition[line.condition].append(line)
        rows = [
            ((at, *msgspec.structs.astuple(line)), [_result(number, one) for number, one in enumerate(of_it)])
            for at, (line, of_it) in enumerate(zip(conditions, by_condition, strict=True))
        ]
        return insert_run(db, values, rows, tags=sorted(set(head.tags))), True

    def _planned(self, conditions: list[ConditionLine], results: list[ResultLine]) -> list[PlannedCondition]:
        planned = [PlannedCondition(**msgspec.structs.asdict(line), results=[]) for line in conditions]
        for line in results:
            prompt = self._prompts[line.prompt]
            planned[line.condition].results.append(
                PlannedResult(line.task, line.sample, line.task_hash, prompt, line.completion)
            )
        return planned

    def _read_conditions(self) -> Iterator[ConditionLine]:
        seen: set[ConditionLine] = set()
        for line in self._reader.read("conditions.jsonl", ConditionLine):
            name = msgspec.structs.replace(line, is_baseline=False)
            if name in seen:
                raise self._refuse("this condition is there twice")
            if not _is_perturbation(line.perturbation):
                raise self._refuse(f"perturbation: {line.perturbation!r} is no noise")
            seen.add(name)
            yield line

    def _read_results(self, conditions: int) -> Iterator[ResultLine]:
        last = 0
        for line in self._reader.read("results.jsonl", ResultLine):
            if not last <= line.condition < conditions:
                raise self._refuse(f"condition: {line.condition} is out of its order or not in conditions.jsonl")
            last = line.condition
            yield line

    def _read_prompts(self) -> Iterator[tuple[str, str]]:
        for line in self._reader.read("prompts.jsonl", PromptLine):
            self._check_hash(line.hash, line.text)
            self._prompts[line.hash] = line.text
            yield line.hash, line.text

    def _check_prompts(self, results: Iterable[ResultLine]) -> None:
        for line in results:
            if line.prompt not in self._prompts:
                raise self._refuse(f"the prompt {line.prompt[:12]}… of {line.task} is missing")

    def _read_doses(self) -> Iterator[tuple[str, str]]:
        for line in self._reader.read("doses.jsonl", DoseLine):
            self._check_hash(line.hash, plain(line.dose))
            try:
                msgspec.json.decode(line.dose, type=Dose)
            except (msgspec.MsgspecError, RecursionError) as error:
                raise self._refuse(f"dose: {in_plain_words(error)}") from None
            self._doses.add(line.hash)
            yield line.hash, plain(line.dose)

    def _read_completions(self) -> Iterator[tuple[Any, ...]]:
        for line in self._reader.read("completions.jsonl", CompletionLine):
            determinants = self._determinants(line)
            result = self._results.get(line.key)
            if result is None or result.prompt != line.prompt or line.key in self._made:
                raise self._refuse(f"no result waits for the completion {line.key[:12]}…, or it is there twice")
            if line.dose is not None and line.dose not in self._doses:
                raise self._refuse(f"the dose {line.dose[:12]}… is missing")
            self._check_moment(line.created)
            solution = digest(line.solution)
            self._made.add(line.key)
            self._programs.add(solution)
            yield (
                line.key,
                determinants,
                line.prompt,
                line.text,
                line.solution,
                solution,
                line.finish,
                line.tokens,
                line.seconds,
                line.memory,
                line.weights_perturbed,
                line.created,
                line.dose,
            )

    def _determinants(self, line: CompletionLine) -> str:
        """The determinants as the store writes them, if the completion's key is really theirs."""
        prompt = self._prompts.get(line.prompt)
        if prompt is None:
            raise self._refuse(f"the prompt {line.prompt[:12]}… is missing")
        try:
            table = json.loads(plain(line.determinants))
            determinants = msgspec.convert({**table, "prompt": prompt}, Determinants)
            canonical = msgspec.to_builtins(determinants)
            del canonical["prompt"]
            written = json.dumps(canonical, sort_keys=True, allow_nan=False)
        except (msgspec.ValidationError, RecursionError, ValueError, TypeError) as error:
            raise self._refuse(f"determinants: {in_plain_words(error)}") from None
        if determinants.key() != line.key:
            raise self._refuse("the completion's key is not that of its determinants: one of them was changed")
        return written

    def _read_verdicts(self) -> Iterator[tuple[Any, ...]]:
        tasks = {line.task_hash for line in self._results.values()}
        for line in self._reader.read("verdicts.jsonl", VerdictLine):
            if line.solution not in self._programs or line.task_hash not in tasks:
                raise self._refuse("the verdict is of a program or a task that is not in this run")
            self._check_moment(line.created)
            yield msgspec.structs.astuple(line)

    def _read_translations(self) -> Iterator[tuple[Any, ...]]:
        for line in self._reader.read("translations.jsonl", TranslationLine):
            self._check_moment(line.created)
            yield msgspec.structs.astuple(line)

    def _check_hash(self, hash: str, text: str) -> None:
        if digest(text) != hash:
            raise self._refuse("the text is not the one of this hash: one of them was changed")

    def _check_moment(self, moment: str) -> None:
        if not is_moment(moment):
            raise self._refuse(f"{moment} is no time")


def _result(position: int, line: ResultLine) -> tuple[Any, ...]:
    return position, line.task, line.sample, line.task_hash, line.prompt, line.completion


def _is_perturbation(label: str) -> bool:
    """Whether a label that begins like a noise's is one: kind, level, protocol."""
    kind, *rest = label.split() or [""]
    if kind not in get_args(NoiseKind):
        return bool(kind)
    try:
        return len(rest) == 2 and float(rest[0]) > 0
    except ValueError:
        return False
