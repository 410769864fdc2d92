"""The words of the app's first line: what is run, how far it is, and on what."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from qrtui.counting import counted
from qrtui.errors import QrtuiError
from qrtui.judge.verdict import level_in_words
from qrtui.tui.wording import NOTHING

if TYPE_CHECKING:
    from qrtui.results.records import RunRecord
    from qrtui.spec import Experiment
    from qrtui.tui.run_state import RunState


class Headline(NamedTuple):
    """The parts of the line, from left to right."""

    subject: str = "robustness of quantized code models"
    state: str = ""
    place: str = ""


def headline_of_state(state: RunState) -> Headline:
    """For the run that the engine works on, or worked on last."""
    if state.experiment is None:
        return Headline()
    number = f"run {state.run} " if state.run else ""
    count = f" {state.judged:,}/{state.total:,}" if state.total else ""
    return Headline(subject_of(state.experiment), f"{number}{state.phase}{count}", _place(state.level, state.device))


def headline_of_record(record: RunRecord) -> Headline:
    """For a run from the store."""
    environment = record.environment
    place = _place(environment.get("judge_level"), environment.get("device"))
    return Headline(subject_of_record(record), f"run {record.id} {record.status}", place)


def subject_of_record(record: RunRecord) -> str:
    """What a run from the store was about; a dash where this version cannot read its experiment."""
    from qrtui.spec import read_experiment

    try:
        return subject_of(read_experiment(record.experiment, record.name))
    except QrtuiError:
        return NOTHING


def subject_of(experiment: Experiment) -> str:
    """An experiment in a few words: models, precisions, data sets and how many tasks of each."""
    models = [model.id.rstrip("/").rpartition("/")[2] for model in experiment.models]
    named = ", ".join(models) if len(models) < 3 else f"{models[0]} and {len(models) - 1} more"
    datasets = ", ".join(name.rpartition("/")[2] for name in experiment.tasks.datasets) or "picked tasks"
    limit = f" {counted(experiment.tasks.limit, 'task')}" if experiment.tasks.limit else ""
    precisions = f"{experiment.precisions.baseline} vs {', '.join(experiment.precisions.quantized)}"
    return f"{named}   {precisions}   {datasets}{limit}"


def _place(level: str | None, device: str | None) -> str:
    return "   ".join(filter(None, [f"judge {level_in_words(level)}" if level else "", device or ""]))
