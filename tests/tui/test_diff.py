from __future__ import annotations

import pytest

from qrtui.results.differences import changed_spans, changed_words, paired_lines
from qrtui.tui.widgets.completion_pane import columns_of
from qrtui.tui.widgets.diff import marked, side_by_side
from qrtui.tui.widgets.stream_pane import lines_of


def columns(left: str, right: str, width: int | None = 60):
    return columns_of(side_by_side(left, right, False), width, ansi=False)


def test_lines_are_paired_and_lengths_agree():
    pairs = paired_lines(["a", "b", "c"], ["a", "x", "y", "c"])
    assert [(pair.left, pair.right, pair.same) for pair in pairs] == [
        (0, 0, True),
        (1, 1, False),
        (None, 2, False),
        (2, 3, True),
    ]


def test_similar_lines_stand_on_one_level_whatever_was_put_between():
    left = ["def f(x):", "    total = x + 1", "    return total"]
    right = ["def f(x):", "    # a remark", "    print(0)", "    total = x + 2", "    return total"]
    assert (1, 3, False) in paired_lines(left, right)


@pytest.mark.parametrize("lines", [(400, 300), (2_000, 2_001)])
def test_every_line_of_both_has_its_place_even_where_there_are_too_many_to_match(lines):
    left, right = (["x = 1", f"y = {count}"] * (count // 2) for count in lines)
    pairs = paired_lines(left, right)
    assert [pair.left for pair in pairs if pair.left is not None] == list(range(len(left)))
    assert [pair.right for pair in pairs if pair.right is not None] == list(range(len(right)))


def test_an_attack_is_marked_by_whole_words():
    before, after = "Count the vowels in a string.", "Count the voweLs in a text string."
    assert [after[start:end] for start, end in changed_spans(before, after)] == ["voweLs", "text"]
    assert changed_words(before, after) == [("vowels", "voweLs"), ("", "text")]


def test_words_that_an_attack_took_away_are_struck_and_the_rest_stays_readable():
    content = marked("Count all of the vowels.", "Count the voweLs.")
    assert content.plain == "Count all of the voweLs."
    assert [content.plain[span.start : span.end] for span in content.spans] == ["all of", "voweLs"]


def test_both_columns_have_as_many_lines_whatever_is_folded():
    left = "def f(x):\n    return 'a very long string that has to be folded somewhere'\n"
    both = columns(left, "def f(x):\n    return 1\n\n", 24)
    assert len(both[0]) == len(both[1])
    assert all(line.cell_length <= 26 for column in both for line in column)
    assert "".join(line.plain[2:] for line in both[0]).replace(" ", "") == left.replace("\n", "").replace(" ", "")


def test_within_a_differing_line_only_what_differs_is_marked():
    (_, line), (_, other) = columns("def f(x):\n    return x + 1", "def f(x):\n    return x + 22")
    marks = [
        [content.plain[span.start : span.end] for span in content.spans if str(span.style).endswith("35%")]
        for content in (line, other)
    ]
    assert marks == [["1"], ["22"]]


def test_beside_a_program_that_is_not_there_yet_nothing_differs():
    left, right = columns("x = 1\ny = 2", "")
    assert [line.plain for line in left] == ["  x = 1", "  y = 2"]
    assert [line.plain for line in right] == ["", ""]


def test_what_a_model_wrote_cannot_drive_the_terminal():
    (line,), _ = columns("x = '\x1b]0;title\x07'", "")
    assert "\x1b" not in line.plain
    assert "\x07" not in line.plain


def test_wide_characters_are_folded_by_the_columns_they_take():
    (*lines,), _ = columns("x = '" + "漢" * 30 + "'", "", 20)
    assert all(line.cell_length <= 22 for line in lines)
    assert "".join(line.plain[2:] for line in lines).count("漢") == 30


def test_in_the_playground_what_goes_on_below_a_lines_end_is_indented_and_keeps_its_bar():
    text = "def f(words):\n    return [word for word in words if word]\n"
    shown = lines_of(text, frozenset({1}), False, 28).plain.split("\n")
    assert shown == ["  def f(words):", "▌     return [word for word ", "▌       in words if word]"]
    assert lines_of(text, frozenset({1}), False).plain.count("\n") == 1
