from __future__ import annotations

from qrtui.tui.widgets.completion_pane import columns_of
from qrtui.tui.widgets.diff import changed_spans, paired_lines


def test_lines_are_paired_and_lengths_agree():
    pairs = paired_lines(["a", "b", "c"], ["a", "x", "y", "c"])
    assert [(pair.left, pair.right, pair.same) for pair in pairs] == [
        (0, 0, True),
        (1, 1, False),
        (None, 2, False),
        (2, 3, True),
    ]


def test_an_attack_is_marked_by_whole_words():
    before, after = "Count the vowels in a string.", "Count the voweLs in a text string."
    assert [after[start:end] for start, end in changed_spans(before, after)] == ["voweLs", "text "]


def test_both_columns_have_as_many_lines_whatever_is_folded():
    left = "def f(x):\n    return 'a very long string that has to be folded somewhere'\n"
    columns = columns_of(left, "def f(x):\n    return 1\n\n", widths=(24, 24), ansi=False)
    assert len(columns[0]) == len(columns[1])
    assert all(line.cell_length <= 26 for column in columns for line in column)
    assert "".join(line.plain[2:] for line in columns[0]).replace(" ", "") == left.replace("\n", "").replace(" ", "")


def test_what_a_model_wrote_cannot_drive_the_terminal():
    (line,), _ = columns_of("x = '\x1b]0;title\x07'", "", widths=(60, 60), ansi=False)
    assert "\x1b" not in line.plain
    assert "\x07" not in line.plain
