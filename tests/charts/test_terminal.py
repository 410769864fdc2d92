"""What the terminal charts show, as text: told apart without colour, aligned, and never wider than asked."""

import msgspec
import pytest

from qrtui.charts.palette import TERMINAL, slots
from qrtui.charts.terminal import draw, notes
from qrtui.results.figures import heat_map, noise_curves, pass_bars, rrs_bars
from qrtui.results.measured import Selection, measured_report
from qrtui.results.published import published_table

from .measured import measured

DARK = TERMINAL._replace(quantized=(110, 168, 220), original=(201, 154, 91), background=(21, 24, 29))
MAKERS = [rrs_bars, pass_bars, noise_curves, heat_map]


def lines(chart, width=80, palette=TERMINAL):
    return draw(chart, width, palette).plain.splitlines()


@pytest.mark.parametrize("width", [46, 80, 200])
@pytest.mark.parametrize("make", MAKERS)
def test_no_chart_is_wider_than_asked(make, width):
    for chart in (make(measured()), make([*measured("1"), *measured("2")])):
        assert max(len(line.rstrip()) for line in lines(chart, width)) <= width


def test_bars_begin_at_one_and_the_better_side_is_right_of_it():
    drawn = lines(rrs_bars(measured()))
    int8, nf4 = drawn[:2]
    line_at_one = nf4.index("│")
    assert int8.startswith("char          int8 ")
    assert "━" in int8[line_at_one:]
    assert "━" not in int8[:line_at_one]
    assert "━" in nf4[:line_at_one]
    # The interval's upper end is infinite: it runs into the arrowhead at the edge.
    assert "▸" in int8
    assert int8.endswith("1.33 ↓  0.50 to ∞")
    assert drawn[2].endswith("↓ no ratio")
    assert "━" not in drawn[2]
    ticks, named, said = drawn[-3:]
    assert ticks[line_at_one] == "┴"
    assert named[line_at_one] == "1"
    assert "◂ original more robust   RRS   quantized more robust ▸" in said


def test_a_bar_to_the_edge_leaves_the_arrowhead_of_an_interval_without_end():
    chart = rrs_bars(measured())
    (group,) = [group for group in chart.panels[0].groups if group.label == "char"]
    bar = msgspec.structs.replace(group.bars[0], value=8.0, low=0.5, high=None)
    panel = msgspec.structs.replace(chart.panels[0], groups=[msgspec.structs.replace(group, bars=[bar])])
    assert "━▸" in lines(msgspec.structs.replace(chart, panels=[panel]))[0]


def test_a_name_without_room_says_that_it_is_cut():
    rows = [
        msgspec.structs.replace(one, perturbation="sentence engine=apertium") if one.perturbation == "char" else one
        for one in measured()
    ]
    assert lines(rrs_bars(rows), 40)[0].startswith("sente… ape… ")


def test_a_ratio_beyond_the_axis_ends_in_an_arrowhead():
    chart = rrs_bars(Selection(models=("LLaMA 3B",), kinds=("word",)).of(measured_report(published_table())))
    beyond = [line for line in lines(chart) if "0.11 ↑" in line]
    assert "◀" in beyond[0]


def test_curves_are_told_apart_by_marks_and_levels_are_named():
    drawn = lines(noise_curves(measured()))
    assert drawn[0] == "pass@1   ● fp32 original 100%   ■ int8 21%   ▲ nf4 21% of the weights"
    assert drawn[-2].split() == ["0", "1e-3", "1e-2"]
    assert drawn[-1].strip() == "noise level (0: clean)"
    for mark in "●■▲":
        assert sum(line.count(mark) for line in drawn[1:]) == 3


def test_levels_that_lie_close_keep_their_names():
    rows = measured()
    close = [one for one in rows if "0.001" in one.perturbation]
    more = [msgspec.structs.replace(one, perturbation="gaussian 0.0011 published") for one in close]
    assert lines(noise_curves([*rows, *more]), 60)[-2].split() == ["0", "1e-3", "1.1e-3", "1e-2"]


def test_heat_maps_say_their_values_in_cells_or_with_blocks():
    chart = heat_map(measured())
    assert lines(chart)[2].split() == ["smollm2-135m", "fp32", ".600█", ".400▅", ".500▇", ".100▁"]
    assert lines(chart, palette=DARK)[2].split() == ["smollm2-135m", "fp32", ".600", ".400", ".500", ".100"]
    shaded = {str(span.style) for span in draw(chart, 80, DARK).spans if " on #" in str(span.style)}
    assert len(shaded) > 4


def test_a_long_group_over_one_column_is_stacked_and_widens_the_table_by_its_longest_word_only():
    one_level = [one for one in measured() if one.perturbation != "gaussian 0.01 published"]
    after = [msgspec.structs.replace(one, perturbation="gaussian 0.001 after") for one in one_level if one.noise]
    upper, lower, labels, first_row = lines(heat_map([*one_level, *after]))[:4]
    assert (upper.split(), lower.split()) == (["gaussian", "gaussian"], ["published", "after"])
    assert labels.split() == ["clean", "char", "1e-3", "1e-3"]
    assert len(first_row.rstrip()) == len("smollm2-135m fp32 ") + 4 * len(" published ") - 1


def test_notes_are_one_paragraph():
    assert notes(noise_curves(measured()), TERMINAL).plain == (
        "n = 20 tasks. 95 % intervals (Wilson) reach up to 0.20 either way. Unequal dose: published noise reaches 100%"
        " of the weights in fp32, 21% in int8 and nf4. Noise by the published protocol."
    )


def test_a_precision_has_one_place_in_every_chart():
    assert slots(["nf4"]) == {"nf4": 1}
    assert slots(["gptq-4", "int8", "nf4", "awq"]) == {"int8": 0, "nf4": 1, "gptq-4": 2, "awq": 3}
