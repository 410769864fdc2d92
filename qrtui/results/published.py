"""The paper's own numbers, as data: Table I in the shape of a report, and what is reported beside it."""

from __future__ import annotations

import csv
import functools
import tomllib

import msgspec

from qrtui.paths import shipped
from qrtui.results.report import Report, ReportedCondition, summarize
from qrtui.tasks.datasets import TASK_COUNTS

QUANTIZED = "quantized"
"""How Table I names the precision of its quantized models: it does not say which one it was."""


class PublishedHeadline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the arrows of Table I point; shares are 0 to 1."""

    where: str
    cells: int
    quantized: int
    original: int
    equal: int
    quantized_share: float
    original_share: float
    equal_share: float
    sign_test_p: float


class PublishedCleanLoss(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mean share of the clean performance that quantization costs, 0 to 1, by precision."""

    where: str
    by_precision: dict[str, float]


class PublishedTableOne(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What Table I is over."""

    where: str
    models: int
    attacks: tuple[str, ...]
    datasets: tuple[str, ...]
    no_output: tuple[str, ...]


class PublishedNoise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the noise study is over; levels are in the unit of the weights."""

    where: str
    models: int
    kinds: tuple[str, ...]
    levels: tuple[float, ...]
    dataset: str


class PublishedTradeOff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the trade-off study is over."""

    where: str
    families: int
    sizes: int
    precisions: tuple[str, ...]
    perturbations: int
    configurations: int


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which paper."""

    title: str
    authors: tuple[str, ...]
    year: int
    url: str


class Published(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the paper reports beside the cells of Table I, each part with the place it stands at."""

    source: Source
    headline: PublishedHeadline
    clean_loss: PublishedCleanLoss
    table_one: PublishedTableOne
    noise: PublishedNoise
    trade_off: PublishedTradeOff


@functools.cache
def published() -> Published:
    """What `data/paper/published.toml` holds."""
    with shipped("data", "paper", "published.toml").open("rb") as stream:
        return msgspec.convert(tomllib.load(stream), Published)


def published_table() -> Report:
    """Table I: the RRS or the bare arrow of each model, data set and attack; pass rates were not published there."""
    with shipped("data", "paper", "table1.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(line for line in stream if not line.startswith("#")))
    conditions = [
        ReportedCondition(
            model=f"{row['family']} {row['size']}",
            precision=QUANTIZED,
            dataset=row["dataset"].lower(),
            perturbation=row["attack"],
            n=TASK_COUNTS[row["dataset"].lower()],
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
