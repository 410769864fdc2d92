"""What it takes to repeat a run: what was asked, with what, on what, and the command."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
import tomli_w

from qrtui.counting import counted
from qrtui.judge.verdict import JUDGE_VERSION, level_in_words
from qrtui.models.precisions import PRECISIONS
from qrtui.results.records import RunRecord
from qrtui.results.statistics import BOOTSTRAP_SEED
from qrtui.results.store import Store


class DatasetUsed(msgspec.Struct, frozen=True):
    """A data set as far as the run used it: how many tasks, and a SHA-256 over their ids, contents and tests."""

    tasks: int
    hash: str


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Where a report's numbers come from. What the run did not note is None.

    `experiment` is the preset's table and `preset` the same as TOML; `command` runs it once it is saved as `file`.
    `seeds` fixes every random choice: the experiment's attacks, noise and samples, and the report's own resamples.
    `git_revision` is that of a qrtui that ran from a checkout, `-dirty` if it was changed. `versions` are those of the
    libraries that decide what a model writes, `attacks` is what the attacked prompts were made with. `judge_version` is
    that of the verdicts in the report, `judge_level` how generated code was kept in. Times are UTC. `from_earlier_runs`
    counts, by precision, the results whose completions depend on what was decoded with them and were made by runs that
    decoded other things: where they are not known already, the same preset may give others.
    """

    command: str
    file: str
    preset: str
    experiment: dict[str, Any]
    seeds: dict[str, int]
    datasets: dict[str, DatasetUsed]
    qrtui: str | None
    git_revision: str | None
    python: str | None
    machine: str | None
    device: str | None
    device_name: str | None
    judge_level: str | None
    judge_version: str
    versions: dict[str, str]
    attacks: dict[str, Any]
    started: str
    finished: str | None
    from_earlier_runs: dict[str, int] = {}


def provenance(store: Store, run: RunRecord) -> Provenance:
    """The provenance of a run."""
    noted = run.environment
    alone = run.experiment.get("generation", {}).get("batch_size") == 1
    batched = [name for name in PRECISIONS if PRECISIONS[name].sees_batch and not alone]
    file = re.sub(r"[^\w.+-]+", "-", run.name).strip("-") + ".toml"
    return Provenance(
        command=f"qrtui run {file}",
        file=file,
        preset=tomli_w.dumps(run.experiment),
        experiment=run.experiment,
        seeds={"experiment": run.experiment.get("seed", 0), "bootstrap": BOOTSTRAP_SEED},
        datasets={name: DatasetUsed(*used) for name, used in store.dataset_hashes(run.id).items()},
        judge_version=JUDGE_VERSION,
        versions=noted.get("versions") or {},
        attacks=noted.get("attacks") or {},
        started=run.started,
        finished=run.finished,
        from_earlier_runs=store.made_before(run.id, batched),
        **{key: noted.get(key) for key in _NOTED},
    )


_NOTED = ("qrtui", "git_revision", "python", "machine", "device", "device_name", "judge_level")


def provenance_lines(found: Provenance) -> list[str]:
    """The same in a few lines of text, without the experiment itself."""
    seeds = ", ".join(f"{name} {seed}" for name, seed in found.seeds.items())
    made_by = {"version": found.qrtui, "git revision": found.git_revision}
    libraries = {"Python": found.python, **found.versions}
    return [
        f"command: {found.command}   (with the experiment below saved as {found.file})",
        f"seeds: {seeds}",
        *(
            f"data set {name}: {counted(used.tasks, 'task')}, SHA-256 {used.hash}"
            for name, used in found.datasets.items()
        ),
        f"qrtui: {_listed(made_by)}",
        f"with: {_listed(libraries)}",
        *(f"attack {name}: {made_with}" for name, made_with in found.attacks.items()),
        f"device: {', '.join(filter(None, [found.device, found.device_name, found.machine])) or 'not noted'}",
        f"judge: version {found.judge_version}, level {level_in_words(found.judge_level or 'not noted')}",
        *(
            f"{precision}: {counted(count, 'result')} from earlier runs, decoded in other batches; in a"
            " fresh database some may come out otherwise"
            for precision, count in found.from_earlier_runs.items()
        ),
        f"started {found.started}, {f'ended {found.finished}' if found.finished else 'not ended'}",
    ]


def _listed(versions: Mapping[str, str | None]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items() if version) or "not noted"
