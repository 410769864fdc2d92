"""Runs that go from machine to machine: `export` and `import`."""

from __future__ import annotations

from pathlib import Path

import click

from qrtui.commands import options
from qrtui.counting import counted


@click.command("export")
@click.argument("which", metavar="RUN")
@click.argument("path", metavar="FOLDER", type=click.Path(path_type=Path))
@options.database
@click.option(
    "--format",
    "form",
    type=click.Choice(["folder", "evalplus"]),
    default="folder",
    show_default=True,
    help="All of the run, for qrtui import; or its programs as samples for evalplus.evaluate.",
)
@click.option("--condition", type=int, metavar="N", help="Only the samples of this condition, counted from 1.")
@click.pass_context
def export_command(
    context: click.Context, which: str, path: Path, database: Path | None, form: str, condition: int | None
) -> None:
    """Write a run (a number, a name, or latest) into a new folder.

    The folder holds all of it, finished or not, and qrtui import takes it over on another machine. With --format
    evalplus it holds a samples file for each condition; a FOLDER that ends in .jsonl is such a file itself.
    """
    if condition is not None and form != "evalplus":
        raise click.UsageError("--condition picks samples: give it with --format evalplus", context)
    with options.open_store(database or context.obj, must_exist=True) as store:
        run = store.run(which)
        if form == "evalplus":
            from qrtui.results.evalplus_samples import export_samples

            written = export_samples(store, run, path, condition)
            for samples in written:
                missing = samples.planned - samples.programs
                lacks = f", {missing} not generated yet" if missing else ""
                click.echo(f"{samples.path}: {counted(samples.programs, 'sample')}{lacks}")
            for check in dict.fromkeys(samples.check for samples in written):
                click.echo(f"    {check}")
        else:
            from qrtui.results.exchange.exporting import export_run

            export_run(store, run, path)
            click.echo(f"run {run.id} ({run.name}, {run.judged} of {run.total} judged) is in {path}")
            click.echo(f"    qrtui import {path}")


@click.command("import")
@click.argument("folder", type=click.Path(path_type=Path))
@options.database
@click.pass_obj
def import_command(parent: Path | None, folder: Path, database: Path | None) -> None:
    """Take over a run that qrtui export wrote. What is here already stays as it is."""
    from qrtui.results.exchange.importing import import_run

    with options.open_store(database or parent) as store:
        found = import_run(store, folder)
    begun = f"run {found.run} is new" if found.is_new else f"run {found.run} was here already"
    click.echo(
        f"{begun}: of its {counted(found.results, 'result')} {counted(found.completions, 'completion')} and"
        f" {counted(found.verdicts, 'verdict')} are new"
    )
