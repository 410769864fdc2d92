"""Writes a run as a folder: readable, the same bytes for the same run, whole or not there at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from qrtui.perturb.sentences import sources
from qrtui.perturb.spans import natural_language_spans
from qrtui.results.exchange.header import FORMAT, Header, RunTable, write_header
from qrtui.results.exchange.lines import (
    FILES,
    CompletionLine,
    ConditionLine,
    DoseLine,
    ExchangeError,
    Line,
    PromptLine,
    ResultLine,
    TranslationLine,
    VerdictLine,
    as_raw,
    write_lines,
)
from qrtui.results.exchange.whole import new_folder
from qrtui.results.planned import RunRows
from qrtui.results.records import RunRecord
from qrtui.results.store import Store


def export_run(store: Store, run: RunRecord, folder: Path) -> None:
    """Write all that the database holds of a run: experiment, environment, results, completions, verdicts of every
    judge, and the translations that its prompts were made with.

    Raises ExchangeError where `folder` is there already or cannot be written; what was written is then gone again.
    """
    with new_folder(folder) as unfinished, store.unchanging():
        rows = store.run_rows(run.id)
        if rows is None:
            raise ExchangeError(f"run {run.id} was deleted meanwhile", "qrtui runs lists what is there")
        files = {file.name: write_lines(unfinished / file.name, _LINES[file.kind](store, rows)) for file in FILES}
        name, experiment, _, status, started, finished, environment, _ = rows.values
        header = Header(
            format=FORMAT,
            run=RunTable(name=name, status=status, started=started, finished=finished, tags=list(rows.tags)),
            experiment=json.loads(experiment),
            environment=json.loads(environment),
            files=files,
        )
        write_header(unfinished, header)


def _conditions(store: Store, rows: RunRows) -> Iterator[ConditionLine]:
    for (_, model, precision, is_baseline, dataset, perturbation), _ in rows.conditions:
        yield ConditionLine(model, precision, bool(is_baseline), dataset, perturbation)


def _results(store: Store, rows: RunRows) -> Iterator[ResultLine]:
    for at, (_, results) in enumerate(rows.conditions):
        for _, task, sample, task_hash, prompt, completion in results:
            yield ResultLine(at, task, sample, task_hash, prompt, completion)


def _prompts(store: Store, rows: RunRows) -> Iterator[PromptLine]:
    for hash in _each_once(line.prompt for line in _results(store, rows)):
        for (text,) in store.rows("SELECT text FROM prompts WHERE hash = ?", [hash]):
            yield PromptLine(hash, text)


def _doses(store: Store, rows: RunRows) -> Iterator[DoseLine]:
    for hash in _each_once(dose for _, dose, _ in _made(store, rows) if dose):
        for (dose,) in store.rows("SELECT dose FROM doses WHERE hash = ?", [hash]):
            yield DoseLine(hash, as_raw(dose))


def _completions(store: Store, rows: RunRows) -> Iterator[CompletionLine]:
    for key in _each_once(line.completion for line in _results(store, rows)):
        for determinants, *values in store.rows(
            "SELECT determinants, prompt, text, solution, finish, tokens, seconds, memory, weights_perturbed, dose,"
            " created FROM completions WHERE key = ?",
            [key],
        ):
            yield CompletionLine(key, as_raw(determinants), *values)


def _verdicts(store: Store, rows: RunRows) -> Iterator[VerdictLine]:
    for judged in _each_once((solution, task_hash) for solution, _, task_hash in _made(store, rows)):
        for values in store.rows(
            "SELECT solution_hash, task_hash, judge_version, base, plus, failing_input, expected, got, error, level,"
            " seconds, created FROM verdicts WHERE solution_hash = ? AND task_hash = ? ORDER BY judge_version",
            judged,
        ):
            yield VerdictLine(*values)


def _made(store: Store, rows: RunRows) -> Iterator[tuple[str, str | None, str]]:
    """For each result that has a completion: the hashes of its program, of its dose, and of its task."""
    for line in _results(store, rows):
        for solution, dose in store.rows(
            "SELECT solution_hash, dose FROM completions INDEXED BY completions_numbers WHERE key = ?",
            [line.completion],
        ):
            yield solution, dose, line.task_hash


def _translations(store: Store, rows: RunRows) -> Iterator[TranslationLine]:
    """Those of the sentences of the clean prompts, by the engines that the experiment names."""
    engines = _engines(json.loads(rows.values[1]))
    clean = {
        result[4] for (*_, perturbation), results in rows.conditions if perturbation == "clean" for result in results
    }
    texts = [text for hash in sorted(clean if engines else ()) for (text,) in store.rows(_PROMPT, [hash])]
    wanted = sorted({source for text in texts for source in sources(text, natural_language_spans(text))})
    for engine in engines:
        for source in wanted:
            for values in store.rows("SELECT * FROM translations WHERE engine = ? AND source = ?", [engine, source]):
                yield TranslationLine(*values)


_PROMPT = "SELECT text FROM prompts WHERE hash = ?"

_LINES: dict[type[Line], Callable[[Store, RunRows], Iterable[Line]]] = {
    ConditionLine: _conditions,
    ResultLine: _results,
    PromptLine: _prompts,
    DoseLine: _doses,
    CompletionLine: _completions,
    VerdictLine: _verdicts,
    TranslationLine: _translations,
}


def _engines(experiment: dict[str, Any]) -> list[str]:
    attacks = experiment.get("attacks")
    tables = [attack for attack in attacks if isinstance(attack, dict)] if isinstance(attacks, list) else []
    return sorted({str(attack.get("engine", "mbart-50")) for attack in tables if attack.get("kind") == "sentence"})


def _each_once(values: Iterable[Any]) -> Iterable[Any]:
    return dict.fromkeys(values)
