from __future__ import annotations

import pytest

from qrtui.results.records import ConditionRecord
from qrtui.tui.comparison import Comparison, Pair
from qrtui.tui.pair_choice import another_model, another_perturbation, another_precision

HAS = {"small": ("fp32", "int8", "nf4"), "large": ("fp16", "nf4"), "bare": ("fp16",)}


@pytest.fixture
def comparison() -> Comparison:
    conditions = [
        ConditionRecord(
            id=0,
            model=model,
            precision=precision,
            is_baseline=precision == precisions[0],
            dataset="demo",
            perturbation=perturbation,
            dose=None,
            memory=None,
        )
        for model, precisions in HAS.items()
        for precision in precisions
        for perturbation in ("clean", "char", "word")
    ]
    return Comparison(conditions)


@pytest.mark.parametrize(
    ("step", "with_clean", "chosen"), [(1, True, "clean"), (1, False, "char"), (-1, True, "char"), (-1, False, "char")]
)
def test_perturbations_go_round_with_the_clean_one_or_without(comparison, step, with_clean, chosen):
    pair = another_perturbation(comparison, Pair("small", "nf4", "word"), step, with_clean=with_clean)
    assert pair == Pair("small", "nf4", chosen)


def test_precisions_go_round(comparison):
    pair = Pair("small", "int8", "char")
    assert another_precision(comparison, pair, 1).quantized == "nf4"
    assert another_precision(comparison, another_precision(comparison, pair, 1), 1) == pair
    alone = Pair("bare", "", "char")
    assert another_precision(comparison, alone, 1) == alone


def test_another_model_keeps_the_precision_where_it_has_it(comparison):
    assert another_model(comparison, Pair("small", "nf4", "word"), 1) == Pair("large", "nf4", "word")
    assert another_model(comparison, Pair("small", "int8", "word"), 1) == Pair("large", "nf4", "word")
    assert another_model(comparison, Pair("large", "nf4", "word"), 1) == Pair("bare", "", "word")
    assert another_model(comparison, Pair("bare", "", "word"), 1) == Pair("small", "int8", "word")
