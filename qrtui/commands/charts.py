"""`chart`: the paper's figures from one's own runs, in the terminal or as a file."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from qrtui.commands import options
from qrtui.errors import QrtuiError, nearest
from qrtui.printable import unfiltered

if TYPE_CHECKING:
    from qrtui.results.measured import Measured

_KINDS = ("rrs", "noise", "heatmap", "table1")
_NO_TERMINAL_WIDTH = 100


@click.command()
@click.argument("what", metavar="rrs|noise|heatmap|table1", type=click.Choice(_KINDS))
@click.argument("which", metavar="[RUN|latest|paper]...", nargs=-1)
@options.database
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write this .svg, .pdf, .png or .csv file.")
@click.option(
    "--width",
    type=click.IntRange(min=40),
    help="Columns in the terminal; millimetres in a file (default 88, one column of a paper; 180 for the page).",
)
@click.option("--model", multiple=True, help="Only this model; may be repeated, like the next four.")
@click.option("--dataset", multiple=True, help="Only this data set.")
@click.option("--precision", multiple=True, help="Only this quantized precision (and the original).")
@click.option("--kind", multiple=True, help="Only this perturbation: char, gaussian, ...")
@click.option("--protocol", multiple=True, help="Only noise of this protocol: published, before, after.")
@click.option(
    "--metric",
    type=click.Choice(["pass@1", "drop", "delta"]),
    default="pass@1",
    show_default=True,
    help="What a heat map shows: pass@1, the drop in shares of tasks, or the drop relative to clean (Eq. 1).",
)
@click.pass_obj
def chart(
    parent: Path | None,
    /,
    what: Any,
    which: Sequence[str],
    database: Path | None,
    output: Path | None,
    width: int | None,
    metric: Any,
    **chosen: tuple[str, ...],
) -> None:
    """Draw a chart of one run or several (the latest by default).

    rrs: the RRS by perturbation and precision (Figure 5). noise: pass@1 against the noise level (Figure 3). heatmap:
    models and precisions against perturbations (Figure 4). table1: the layout of Table I. `paper` as a RUN is the
    published Table I: it has RRS values, so rrs and table1 can show it.
    """
    from qrtui.charts.files import check_output, save_chart
    from qrtui.results.chart_kinds import make_chart

    if output is not None:
        check_output(output)
    measured, names = _measured(which or ["latest"], database or parent, intervals=what == "rrs")
    made = make_chart(what, _selected(measured, chosen), names, metric)
    if output is not None:
        click.echo(f"wrote {save_chart(made, output, width)}", err=True)
    else:
        _print(made, width or shutil.get_terminal_size((_NO_TERMINAL_WIDTH, 24)).columns)


def _measured(which: Iterable[str], database: Path | None, *, intervals: bool) -> tuple[list[Measured], dict[str, str]]:
    """What the named runs measured, each once, and the runs' names."""
    from qrtui.results.measured import measured_report, read_measured
    from qrtui.results.published import published_table

    found: dict[str, list[Measured]] = {}
    names = {"paper": "paper"}
    own = [name for name in which if name != "paper"]
    if own:
        with options.open_store(database, must_exist=True) as store:
            for record in [store.run(name) for name in own]:
                if str(record.id) not in found:
                    run = read_measured(store, record.id)
                    found[str(record.id)] = run.with_intervals() if intervals else run.measured()
                    names[str(record.id)] = record.name
    if "paper" in which:
        found["paper"] = measured_report(published_table())
    return [one for run in found.values() for one in run], names


_FIELDS: dict[str, tuple[str, str, Callable[[Measured], str | None]]] = {
    "model": ("models", "model", lambda one: one.model),
    "dataset": ("datasets", "data set", lambda one: one.dataset),
    "precision": ("precisions", "precision", lambda one: None if one.is_baseline else one.precision),
    "kind": ("kinds", "perturbation", lambda one: None if one.kind == "clean" else one.kind),
    "protocol": ("protocols", "noise protocol", lambda one: one.noise.protocol if one.noise else None),
}


def _selected(measured: Sequence[Measured], chosen: dict[str, tuple[str, ...]]) -> list[Measured]:
    """Those that the options leave. Raises QrtuiError for a name that is nowhere in the runs."""
    from qrtui.results.measured import Selection

    wanted = {}
    for option, (field, thing, of) in _FIELDS.items():
        known = {name: None for one in measured if (name := of(one)) is not None}
        wanted[field] = tuple(_known(name, list(known), thing) for name in chosen[option])
    return Selection(**wanted).of(measured)


def _known(name: str, known: Sequence[str], thing: str) -> str:
    for one in known:
        if one.lower() == name.lower():
            return one
    there = f"there are {', '.join(known)}" if known else "there is none"
    raise QrtuiError(f"these runs have no {thing} {name!r}", " ".join(filter(None, [nearest(name, known), there])))


def _print(made: Any, width: int) -> None:
    """Print a chart as text: in colours on a terminal, without anywhere else."""
    from rich.console import Console

    from qrtui.charts.palette import TERMINAL
    from qrtui.charts.terminal import draw, notes, title
    from qrtui.results.charts import Chart
    from qrtui.results.table_one_writing import write_table_one

    if not isinstance(made, get_args(Chart)):
        click.echo(write_table_one(made, "text", width), nl=False)
        return
    console = Console(
        file=unfiltered(sys.stdout),
        width=width,
        highlight=False,
        soft_wrap=False,
        no_color=None if sys.stdout.isatty() else True,
    )
    console.print(title(made))
    console.print()
    # A line that is too long for a terminal is cut there by Rich, never wrapped into its neighbour.
    console.print(draw(made, width, TERMINAL), no_wrap=True, overflow="crop")
    console.print()
    console.print(notes(made, TERMINAL))
