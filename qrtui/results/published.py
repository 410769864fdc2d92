"""The paper's own Table I, in the shape of a report, so that one's own numbers can stand beside it."""

from __future__ import annotations

import csv

from qrtui.paths import shipped
from qrtui.results.report import Report, ReportedCondition, summarize

_TASKS = {"HumanEval": 164, "HumanEval+": 164, "MBPP": 378, "MBPP+": 378}


def published_table() -> Report:
    """Table I: the RRS or the bare arrow of each model, data set and attack; pass rates were not published there."""
    with shipped("data", "paper", "table1.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(line for line in stream if not line.startswith("#")))
    conditions = [
        ReportedCondition(
            model=f"{row['family']} {row['size']}",
            precision="quantized",
            dataset=row["dataset"].lower(),
            perturbation=row["attack"],
            n=_TASKS[row["dataset"]],
            passed=None,
            pass_at_1=None,
            pass_at_1_plus=None,
            drop=None,
            delta=None,
            rrs=float(row["rrs"]) if row["rrs"] else None,
            rrs_low=None,
            rrs_high=None,
            more_robust=row["more_robust"],  # type: ignore[arg-type]
            p_value=None,
            weights_perturbed=None,
        )
        for row in rows
    ]
    return Report("paper", "published", conditions, summarize(conditions))
