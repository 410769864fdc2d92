"""What was found: `runs` and `compare`."""

from __future__ import annotations

from pathlib import Path

import click

from qrtui import paths
from qrtui.commands import options
from qrtui.printable import one_line


@click.command()
@options.database
@options.json_flag
@click.pass_obj
def runs(parent: Path | None, database: Path | None, as_json: bool) -> None:
    """List the runs in the database, the latest first."""
    import msgspec

    named = database or parent
    records = []
    if named or paths.database().exists():
        with options.open_store(named, must_exist=True) as store:
            records = store.runs()
    if as_json:
        options.print_json(msgspec.to_builtins(records))
    elif not records:
        click.echo("no runs yet; start one with: qrtui demo")
    else:
        names = {record.id: one_line(record.name) for record in records}
        width = max(map(len, names.values()))
        for record in records:
            click.echo(
                f"{record.id:>4}  {names[record.id]:<{width}}  {record.status:<8}"
                f"  {record.judged:>6} of {record.total:<6} judged  {record.started}"
            )


@click.command()
@click.argument("which", metavar="RUN")
@click.argument("task")
@options.database
@click.option("--format", "form", type=click.Choice(["text", "md", "json"]), default="text", show_default=True)
@click.pass_obj
def compare(parent: Path | None, which: str, task: str, database: Path | None, form: str) -> None:
    """Print what the original and the quantized models wrote for TASK in RUN (a number, a name, or latest)."""
    from qrtui.errors import TaskError, nearest
    from qrtui.results.case import case_json, case_markdown, case_text

    with options.open_store(database or parent, must_exist=True) as store:
        record = store.run(which)
        names = {outcome.task.lower(): outcome.task for outcome in store.outcomes(record.id)}
        name = names.get(task.lower())
        if name is None:
            suggestion = nearest(task, names.values()) or f"it has {', '.join(list(names.values())[:5])} ..."
            raise TaskError(f"run {record.id} has no task {task!r}", suggestion)
        cases = store.cases(record.id, name)
    if form == "json":
        options.print_json(case_json(record, name, cases))
    else:
        click.echo((case_markdown if form == "md" else case_text)(record, name, cases), nl=False)
