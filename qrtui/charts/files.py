"""Charts as files of print quality: SVG, PDF and PNG by matplotlib, which is an extra; CSV without it."""

from __future__ import annotations

import io
import shlex
import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qrtui.charts.written import chart_csv
from qrtui.errors import QrtuiError
from qrtui.results.charts import BarChart, Chart, CurveChart, HeatMap
from qrtui.results.table_one import TableOne
from qrtui.results.table_one_writing import write_table_one

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".svg", ".pdf", ".png", ".csv")
COLUMN_MM = 88.0
"""The width of one column of a two-column paper."""

_DOTS_PER_INCH = 300
_STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same file on every machine
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "axes.linewidth": 0.5,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.6,
    "hatch.linewidth": 0.4,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "text.parse_math": False,  # a dollar sign in a name is one
    "svg.hashsalt": "qrtui",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}
# What would make two files of one chart differ: the day, and the versions of who wrote them.
_METADATA: dict[str, dict[str, Any]] = {
    ".svg": {"Date": None, "Creator": "qrtui"},
    ".pdf": {"CreationDate": None, "Creator": "qrtui", "Producer": None},
    ".png": {"Software": None},
}


def save_chart(chart: Chart | TableOne, path: Path, width_mm: float | None = None) -> Path:
    """Write the chart to `path` in the format that its ending names; returns the whole path.

    Raises QrtuiError for an unknown ending, a missing matplotlib, or a path that cannot be written.
    """
    return save(chart_bytes(chart, path, width_mm), path)


def chart_bytes(chart: Chart | TableOne, path: Path, width_mm: float | None = None) -> bytes:
    """The chart as the content of a file named `path`; the same chart gives the same bytes."""
    check_output(path)
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return (write_table_one(chart, "csv") if isinstance(chart, TableOne) else chart_csv(chart)).encode()
    import matplotlib

    content = io.BytesIO()
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the file then shows a box in its place
        figure = _drawer(chart)(chart, (width_mm or COLUMN_MM) / 25.4)
        figure.savefig(content, format=suffix[1:], dpi=_DOTS_PER_INCH, metadata=_METADATA[suffix])
    return content.getvalue()


def save(content: bytes, path: Path) -> Path:
    """Write a file; returns its whole path. Raises QrtuiError if it cannot be written."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise QrtuiError(f"{path} cannot be written: {error.strerror}", "give another path") from None
    return path.resolve()


def check_output(path: Path) -> None:
    """Raises QrtuiError where a chart cannot be written to a file of this name, before anything is drawn."""
    if path.suffix.lower() not in SUFFIXES:
        raise QrtuiError(f"{path.name}: charts are not written in that format", f"end the name in {_either(SUFFIXES)}")
    if path.suffix.lower() != ".csv" and not can_draw():
        raise QrtuiError(
            "SVG, PDF and PNG files need matplotlib, which is not installed",
            f"get it with: {how_to_draw()}; CSV files need nothing",
        )


def can_draw() -> bool:
    """Whether matplotlib is here."""
    return find_spec("matplotlib") is not None


def how_to_draw() -> str:
    """What installs matplotlib where this program finds it: a person's own `pip` may serve another Python."""
    python = Path(sys.executable)
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    return f"{shlex.quote(str(python))} -m pip install matplotlib"


def _drawer(chart: Chart | TableOne) -> Callable[[Any, float], Figure]:
    from qrtui.charts.print_bars import bar_figure
    from qrtui.charts.print_curves import curve_figure
    from qrtui.charts.print_heat import heat_figure
    from qrtui.charts.print_table import table_figure

    if isinstance(chart, BarChart):
        return bar_figure
    if isinstance(chart, CurveChart):
        return curve_figure
    return heat_figure if isinstance(chart, HeatMap) else table_figure


def _either(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
