"""What a report's numbers say, in words that claim no more than the tests carry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from qrtui.counting import counted
from qrtui.results.power import POWER
from qrtui.results.statistics import ALPHA

if TYPE_CHECKING:
    from qrtui.results.report import Report, ReportedCondition, Shown, Summary


def says(shown: Shown | None, tasks: int) -> str:
    """One row's finding; `shown` is None where one of the two models passes none of the tasks even unperturbed.

    >>> says("neither", 164)
    'no difference that these 164 tasks can show'
    """
    if shown is None:
        return f"one of the two passes none of {_these(tasks)} clean, and has nothing to lose"
    if shown == "neither":
        return f"no difference that {_these(tasks)} can show"
    return f"{shown} more robust"


def heading(report: Report) -> str:
    """What a report is headed by: `Run 3, finished`."""
    said = subject(report)
    return f"{said[0].upper()}{said[1:]}, {report.status}"


def subject(report: Report) -> str:
    """Whose numbers these are: `run 3`, `runs 3, 5`, `the paper's Table I`."""
    if report.run == "paper":
        return "the paper's Table I"
    return f"run{'s' if ',' in str(report.run) else ''} {report.run}"


def in_words(summary: Summary, conditions: Sequence[ReportedCondition]) -> str:
    """The headline of a table in sentences: the arrows, then what the tests show."""
    return " ".join(filter(None, [_arrows(summary), _tests(summary, conditions), _tasks(conditions)]))


def notes(report: Report) -> list[str]:
    """What a reader must know to read the table right."""
    rows = report.conditions
    found = []
    if not set(report.status.split(", ")) <= {"finished", "published"} and any(row.n for row in rows):
        found.append(
            "Not finished: n is what is judged so far. pass@1 is over those n tasks; drop, RRS and tests are over the"
            " tasks judged in every condition that they compare."
        )
    if any(row.drop is not None for row in rows):
        found.append(
            "drop: pass@1 lost to the perturbation, in shares of tasks; [ ]: 95 % paired bootstrap interval over tasks."
        )
    if any(row.drop_difference_p is not None for row in rows):
        found.append(
            "p Holm: whether both lose equally, by a permutation test on each task's difference of the two drops,"
            f" corrected over all rows; shown to be more robust: p <= {ALPHA:g}. RRS and arrow (↓ quantized,"
            " ↑ original, = neither) are the paper's and are no test."
        )
    if report.summary.sign_test_p is not None:
        found.append("The sign test takes comparisons as independent, though they share tasks and originals.")
    if any(row.says and row.shown is None for row in rows):
        found.append(
            "Where one of the two passes none of the compared tasks clean, it has nothing to lose: such rows are not"
            " tested."
        )
    elif any(row.more_robust for row in rows) and any(row.pass_at_1 == 0 for row in rows):
        found.append("Where pass@1 is 0 nothing more can be lost: an arrow from there says little.")
    if len({strength.share for strength in report.noise}) > 1:
        found.append("The noise reached other shares of the weights in some rows than in others: the doses differ.")
    return found


PASSES_NOTE = (
    "only original, only quantized: tasks that one of the two passes alone under the same perturbation; McNemar p: the"
    " exact test of them, p Holm corrected over all rows; odds ratio: their quotient with its exact interval. Tasks"
    " needed: to tell this difference of pass rates by one test at 5 % with a chance of 80 %."
)
"""How to read the tests of passes."""

DROPS_NOTE = (
    "difference of drops: the original's drop less the quantized model's, above 0 where the quantized model lost less;"
    " p: the permutation test. Tasks needed: to tell this difference by one test at 5 % with a chance of 80 %;"
    " smallest: the difference that the present tasks can tell so."
)
"""How to read the tests of drops."""

ATTACKS_NOTE = (
    "changed: tasks whose prompt the attack changed; characters, words: how many it changed in a prompt, and which"
    " share of the prompt's prose words; similarity: 1 is the same text. Means over all tasks. Attacks of unequal"
    " strength do not compare."
)
"""How to read the table of attacks."""

NOISE_NOTE = (
    "reached: the share of the weights that got noise d; |d|/|W|: its size beside the weights'; moved: how far the"
    " weights as held came to lie from where they were, |W'-W|/|W|, which quantization rounds; then the same for each"
    " kind of layer."
)
"""How to read the table of noise."""


def _arrows(summary: Summary) -> str:
    counts = (summary.quantized, summary.original, summary.equal)
    told = sum(counts)
    if not told:
        return "No robustness to compare yet: that needs clean and perturbed results of both precisions."
    p = f" (sign test p = {summary.sign_test_p:.3f})" if summary.sign_test_p is not None else ""
    quantized, original, equal = (f"{count / told:.2%}".replace("%", " %") for count in counts)
    return (
        f"Of {counted(told, 'comparison')}: quantized more robust (↓) in {summary.quantized}, the original"
        f" (↑) in {summary.original}, neither (=) in {summary.equal}{p}: {quantized}, {original} and {equal}."
    )


def _tests(summary: Summary, conditions: Sequence[ReportedCondition]) -> str:
    tested = summary.shown_quantized + summary.shown_original + summary.shown_neither
    if not tested:
        return ""
    tasks = _these(*(row.n_compared for row in conditions if row.n_compared and row.shown))
    return (
        f"Tested on the difference of drops (Holm over {tested}): quantized more robust in {summary.shown_quantized},"
        f" original more robust in {summary.shown_original}, no difference that {tasks} can show in"
        f" {summary.shown_neither}."
    )


def _tasks(conditions: Iterable[ReportedCondition]) -> str:
    """How many tasks the differences that were not shown would have needed."""
    open_rows = [row for row in conditions if row.shown == "neither"]
    needed = [row.tasks_needed for row in open_rows if row.tasks_needed]
    telling = [row for row in open_rows if row.smallest_difference] or open_rows
    smallest = [row.smallest_difference for row in telling if row.smallest_difference]
    parts = []
    if needed:
        parts.append(f"to tell differences as large as those seen there takes {_range(needed, ',')} tasks")
    if telling:
        tasks = _these(*(row.n_compared or 0 for row in telling))
        can = f"one of {_range(smallest, '.2f')}" if smallest else "none, however large"
        parts.append(f"{tasks} can tell {can}")
    said = "; ".join(parts)
    return f"{said[0].upper()}{said[1:]} (one test, power {POWER:g})." if parts else ""


def _range(values: Sequence[float], form: str) -> str:
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"


def _these(*tasks: int) -> str:
    few, many = min(tasks), max(tasks)
    if few < many:
        return f"these {few} to {many} tasks"
    return f"{'this' if many == 1 else 'these'} {counted(many, 'task')}"
