"""Running experiments: `demo`, `run`, `plan`, and the app."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qrtui import paths
from qrtui.commands import options
from qrtui.counting import counted

if TYPE_CHECKING:
    from qrtui.events import RunEnded
    from qrtui.plan import Plan
    from qrtui.spec import Experiment


@click.command()
@options.database
@options.consent
@click.pass_context
def demo(context: click.Context, database: Path | None, allow_unsafe_judge: bool) -> None:
    """Run the demo: in the app, or as plain text where there is no terminal."""
    from qrtui.presets import load_preset

    experiment = load_preset("demo")
    if has_terminal():
        context.exit(open_app(experiment, database or context.obj, allow_unsafe_judge))
    context.exit(_run(experiment, database or context.obj or paths.database(), allow_unsafe_judge, as_json=False))


@click.command()
@click.argument("preset")
@options.database
@options.changes
@options.consent
@options.json_flag
@click.pass_context
def run(
    context: click.Context,
    preset: str,
    database: Path | None,
    limit: int | None,
    overrides: tuple[str, ...],
    allow_unsafe_judge: bool,
    as_json: bool,
) -> None:
    """Run PRESET (a file, or the name of a shipped preset or of one that you saved in Setup) without the app.

    What is in the database is not generated again: a stopped run goes on where it was. Exit status 0 finished, 130
    stopped, 1 error.
    """
    from qrtui.presets import load_preset

    experiment = load_preset(preset, overrides, limit)
    context.exit(_run(experiment, database or context.obj or paths.database(), allow_unsafe_judge, as_json))


@click.command()
@click.argument("preset")
@options.database
@options.changes
@options.json_flag
@click.pass_obj
def plan(
    parent: Path | None,
    preset: str,
    database: Path | None,
    limit: int | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say what a run of PRESET would cost, without loading a model."""
    from qrtui.plan import make_plan
    from qrtui.presets import load_preset

    experiment = load_preset(preset, overrides, limit)
    with options.open_store(database or parent) as store:
        made = make_plan(experiment, store, counting=True)
    if as_json:
        options.print_json(made.numbers())
        return
    from qrtui.plain import duration

    time = "unknown" if made.seconds is None else f"about {duration(made.seconds)}"
    memory = "unknown" if made.memory is None else f"{made.memory / 1e9:.1f} GB{_too_much(made)}"
    click.echo(
        f"{experiment.name}: {counted(len(made.conditions), 'condition')}, {counted(made.total, 'completion')},"
        f" {made.known} known, {made.to_generate} to do"
    )
    click.echo(f"time of generating: {time} on {made.device}; memory for the largest weights: {memory}")
    if made.peak is not None:
        held = "the libraries, the weights" if made.device == "cpu" else "the weights"
        click.echo(f"memory at the peak: about {made.peak / 1e9:.1f} GB ({held}, keys and values)")
    if made.first:
        click.echo(f"first: {'; '.join(made.first)}")


def _run(experiment: Experiment, database: Path, allow_unsafe_judge: bool, as_json: bool) -> int:
    from qrtui.plain import run_plainly, stopping_on_signals

    out = sys.stderr if as_json else sys.stdout
    # To the end of the report: a signal that comes late breaks off nothing.
    with stopping_on_signals() as control:
        ended = run_plainly(experiment, database, out, control, allow_unsafe_judge=allow_unsafe_judge)
        return _told(ended, database, as_json)


def _told(ended: RunEnded, database: Path, as_json: bool) -> int:
    """Print what a run came to and, last, what a person may want next; returns the exit status."""
    if ended.status in ("failed", "interrupted"):
        click.echo(f"qrtui: {ended.reason}", err=True)
        return 1
    if ended.run is not None:
        from qrtui.results.report import make_report
        from qrtui.results.writing import write_report

        with options.open_store(database) as store:
            report = make_report(store, store.run(str(ended.run)))
        if as_json:
            click.echo(write_report(report, "json"), nl=False)
            return 0 if ended.status == "finished" else 130
        there = paths.database_option(database)
        again = f"qrtui report {ended.run}{there}"
        if ended.status == "finished":
            click.echo(write_report(report, "text"))
            click.echo(f"This again: {again}   a case: qrtui compare {ended.run} TASK{there}   the app: qrtui{there}")
        else:
            click.echo(write_report(report.results_alone(), "text"))
            click.echo(f"The same command goes on from here. All there is to say: {again}")
    return 0 if ended.status == "finished" else 130


def _too_much(made: Plan) -> str:
    from qrtui.models.device import device_type, main_memory

    if device_type(made.device) == "cpu" and made.memory is not None and made.memory > main_memory():
        return f", more than this machine's {main_memory() / 1e9:.0f} GB: it cannot be loaded here"
    return ""


def has_terminal() -> bool:
    """Whether a person is there to use the app."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def open_app(experiment: Experiment | None, database: Path | None, allow_unsafe_judge: bool) -> int:
    """Open the app, with `experiment` running if one is given; returns its exit status."""
    from qrtui.tui.opening import open_app

    return open_app(
        database or paths.database(),
        experiment=experiment,
        start=experiment is not None,
        allow_unsafe_judge=allow_unsafe_judge,
    )
