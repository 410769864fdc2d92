"""`report`: a table of one run, of several, or of the paper, alone or beside another."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qrtui import paths
from qrtui.commands import options
from qrtui.errors import QrtuiError
from qrtui.printable import json_text, printable

if TYPE_CHECKING:
    from qrtui.results.merged import Merged, Part
    from qrtui.results.writing import Format

_SUFFIXES: dict[str, Format] = {".md": "md", ".csv": "csv", ".json": "json", ".tex": "latex"}
_WIDTH = 120


def _case_count(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    """How many cases `--cases` asks for; more than any run has for `all`."""
    if value is None or value == "all":
        return sys.maxsize if value else None
    if not value.isdecimal() or int(value) == 0:
        raise click.BadParameter(f"{value!r} is no number of cases; to list all of them put --cases last")
    return int(value)


@click.command()
@click.argument("which", metavar="[RUN|latest|paper]...", nargs=-1)
@options.database
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "md", "csv", "json", "latex"]),
    help="Default: text, or what the suffix of --output says.",
)
@click.option(
    "--layout",
    type=click.Choice(["conditions", "table1"]),
    default="conditions",
    show_default=True,
    help="A row for each condition, or the paper's Table I: models down, data sets and perturbations across.",
)
@click.option("--against", metavar="RUN|paper", help="Set another run, or the paper's Table I, beside it cell by cell.")
@click.option(
    "--cases",
    "most",
    callback=_case_count,
    is_flag=False,
    flag_value="all",
    metavar="[N]",
    help="Add the tasks that only one of the two models passes, all or the first N, with what both wrote.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to this file, which is replaced.")
@click.pass_obj
def report(
    parent: Path | None,
    which: Sequence[str],
    database: Path | None,
    form: Format | None,
    layout: str,
    against: str | None,
    most: int | None,
    output: Path | None,
) -> None:
    """Print the table of a run: pass@1, drop, RRS and arrow.

    RUN is a number, a name, or latest (the default); `paper` is the published Table I. Several become one table, in
    which the latest run that has results for a cell counts.
    """
    database = database or parent
    if against and layout != "conditions":
        raise click.UsageError("--against has a layout of its own; leave --layout out")
    if against and most is not None:
        raise click.UsageError("--cases lists the cases of runs by themselves; leave --against out")
    form = form or (_SUFFIXES.get(output.suffix.lower()) if output else None) or "text"
    if most is not None and form not in ("text", "md", "json"):
        raise click.UsageError(f"cases are texts and have no place in {form}; take --format text, md or json")
    merged = _merged(which or ["latest"], database)
    if against:
        text = _against(merged, _merged([against], database), form, _width(output))
    elif layout == "table1":
        from qrtui.results.table_one import table_one
        from qrtui.results.table_one_writing import write_table_one

        text = write_table_one(table_one(merged), form, _width(output))
    else:
        text = _conditions(merged, form)
    if most is not None:
        text = _with_cases(text, merged, form, most, database)
    _deliver(text, output, database)


def _merged(names: Sequence[str], database: Path | None) -> Merged:
    """The runs of these names, each once; the database is opened only where a name asks for it."""
    from qrtui.results.merged import merge, paper_part, run_part

    parts: dict[Any, Part] = {}
    if any(name != "paper" for name in names):
        with options.open_store(database, must_exist=True) as store:
            records = {name: store.run(name) for name in names if name != "paper"}
            by_run = {id: run_part(store, run) for id, run in {run.id: run for run in records.values()}.items()}
        parts = {name: by_run[record.id] for name, record in records.items()}
    parts["paper"] = paper_part()
    chosen = {parts[name].label: parts[name] for name in names}
    return merge(list(chosen.values()))


def _against(first: Merged, second: Merged, form: Format, width: int) -> str:
    from qrtui.results.against import against
    from qrtui.results.against_writing import write_against

    if first.label == second.label:
        raise QrtuiError(f"{first.label} would be compared with itself", "name another run, or paper")
    return write_against(against(first, second), form, width)


def _conditions(merged: Merged, form: Format) -> str:
    """The rows of all runs as one report; JSON, and every format with room for words, says how they were merged."""
    import msgspec

    from qrtui.results.grid import latex_comments, wrapped
    from qrtui.results.merged import merged_report
    from qrtui.results.repeating import repeat_lines, repeat_markdown, repeat_text
    from qrtui.results.writing import write_report

    report = merged_report(merged)
    text = write_report(report, form)
    if len(merged.parts) == 1:
        return text
    if form == "json":
        return json_text({**msgspec.structs.asdict(report), "merged": merged.how})
    if form == "csv":
        if merged.rule:
            click.echo(merged.rule, err=True)
        return text
    said = [merged.rule] if merged.rule else []
    if form == "latex":
        return latex_comments([*said, *repeat_lines(merged.repeat)]) + text
    if form == "md":
        below = [*said, *repeat_markdown(merged.repeat)]
    else:
        below = [*(wrapped(line, _WIDTH) for line in said), *repeat_text(merged.repeat)]
    return "\n\n".join([text.rstrip("\n"), *below]) + "\n"


def _with_cases(text: str, merged: Merged, form: Format, most: int, database: Path | None) -> str:
    """The text followed by the case list of each run; in JSON as `cases`, each with its run."""
    from qrtui.results.cases import case_list, write_case_list

    runs = [part for part in merged.parts if not part.is_paper]
    if not runs:
        raise QrtuiError("the paper's completions were not published, so there are no cases", "name a run")
    with options.open_store(database, must_exist=True) as store:
        records = [store.run(str(part.report.run)) for part in runs]
        listed = [(record, case_list(store, record)) for record in records]
    if form == "json":
        made = [json.loads(write_case_list(record, cases, "json", most)) for record, cases in listed]
        cases = [{"run": one["run"], **case} for one in made for case in one["cases"]]
        return json_text({**json.loads(text), "cases": cases})
    sections = [write_case_list(record, cases, "md" if form == "md" else "text", most) for record, cases in listed]
    return "\n\n".join(part.rstrip("\n") for part in (text, *sections)) + "\n"


def _width(output: Path | None) -> int:
    """How wide a text may be: as the terminal where it is shown in one."""
    shown = output is None and sys.stdout.isatty()
    return shutil.get_terminal_size((_WIDTH, 24)).columns if shown else _WIDTH


def _deliver(text: str, output: Path | None, database: Path | None) -> None:
    """Print a text, or make it the content of a file. Raises QrtuiError where that cannot be written."""
    if output is None or str(output) == "-":
        click.echo(text, nl=False)
        return
    if output.resolve() == (database or paths.database()).resolve():
        raise QrtuiError(f"{output} is the database", "name another file for the report")
    try:
        output.write_text(printable(text), encoding="utf-8")
    except OSError as error:
        raise QrtuiError(f"{output} cannot be written: {error.strerror}", "name another file") from None
    click.echo(f"wrote {output}", err=True)
