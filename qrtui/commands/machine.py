"""The machine: `doctor`."""

from __future__ import annotations

from pathlib import Path

import click

from qrtui import paths
from qrtui.commands import options
from qrtui.counting import counted


@click.command()
@options.database
@click.option(
    "--salvage",
    "target",
    metavar="NEW",
    type=click.Path(path_type=Path),
    help="Only copy what can be read of a damaged database to a new one.",
)
@options.json_flag
@click.pass_context
def doctor(context: click.Context, database: Path | None, target: Path | None, as_json: bool) -> None:
    """Try what a run needs, and say what to do about what is missing. Exit status 1 if a run cannot work."""
    import msgspec

    from qrtui.doctor import examine

    database = database or context.obj or paths.database()
    if target is not None:
        _salvage(database, target, as_json)
        return
    checks = []
    for check in examine(database):
        checks.append(check)
        if not as_json:
            click.echo(f"{'ok ' if check.ok else 'BAD'}  {check.name:<10} {check.found}")
            if check.way_out:
                click.echo(f"     {'':<10} -> {check.way_out}")
    ok = all(check.ok for check in checks)
    if as_json:
        options.print_json({"ok": ok, "checks": msgspec.to_builtins(checks)})
    context.exit(0 if ok else 1)


def _salvage(damaged: Path, target: Path, as_json: bool) -> None:
    import msgspec

    from qrtui.results.salvage import salvage

    saved = salvage(damaged, target)
    if as_json:
        options.print_json(msgspec.to_builtins(saved))
        return
    click.echo(
        f"{target} has {counted(saved.runs, 'run')}, {counted(saved.completions, 'completion')},"
        f" {counted(saved.verdicts, 'verdict')}"
    )
    click.echo(f"what is missing of a run is made again by resuming it: qrtui run PRESET --db {target}")
