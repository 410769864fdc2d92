"""Which parts of a prompt are prose: known pieces in generated prompts, and the shapes that benchmarks have."""

import gzip
import json
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrtui.perturb.attack import attack_prompt
from qrtui.perturb.attacks import ATTACKS
from qrtui.perturb.spans import natural_language_spans
from qrtui.tasks.datasets import load_tasks

# Words that no code piece below contains.
WORDS = "the every given count sum largest word sorted order and of in with which their return smaller text item"
word = st.sampled_from(WORDS.split())
sentence = st.lists(word, min_size=3, max_size=9).map(lambda words: " ".join(words).capitalize() + ".")
CODE_WORDS = [
    *("'abc'", '"x y"', "`given`", "[1, 2]", "(a, b)", "12", "3.5", "f(x)", "snake_case", "camelCase", "x", "n-th"),
    *("x[0]", "{1: 2}", "None", "True", "i.e.", "1-3", "word_2", "yyyy-mm", "n**2"),
]
code_word = st.sampled_from(CODE_WORDS)
EXAMPLES = [
    [">>> solve([1, 2], 'given text')", "The sum of every word"],
    [">>> solve(1)", "True"],
    ["Example:", "solve(1) == 2", "solve('the word') ➞ 3"],
    ["For example:", "For x = 3, the sum of every item is 4."],
    ["For example, the sum of", "every given item is 4."],
    ["Examples", "    The largest word of the text.", "    solve(1) -> 2"],
    ["Args:", "    x: the largest item,", "        which is sorted", "    y (int): the smaller item"],
    ["Parameters", "----------", "x : int", "    The largest item."],
    [":param x: the largest word", "    of the given text"],
    ["assert solve(1) == 'every given word'"],
    ["solve(1) returns the sum"],
    ["# the sum of every item"],
    ["| the | largest | word |"],
]
example = st.sampled_from(EXAMPLES)


@st.composite
def function_prompts(draw):
    """A prompt in HumanEval's shape with its sentences and its code pieces."""
    sentences = draw(st.lists(sentence, min_size=1, max_size=4))
    lines = list(sentences)
    code = []
    for piece in draw(st.lists(example, max_size=3)):
        lines += ["", *piece, ""]
        code += piece
        if draw(st.booleans()):
            sentences.append(draw(sentence))
            lines.append(sentences[-1])
    quotes = draw(st.sampled_from(['"""', "'''"]))
    helper = 'def helper(y):\n    """Count every given item."""\n    return y + 1\n\n\n' if draw(st.booleans()) else ""
    docstring = (
        "\n".join(f"    {line}".rstrip() for line in lines).lstrip()
        if draw(st.booleans())
        else "".join(f"\n    {line}".rstrip(" ") for line in lines)
    )
    signature = "from typing import List\n\n\n" + helper + "def solve(x: int, y: int = 2) -> List[int]:"
    return f"{signature}\n    {quotes}{docstring}\n    {quotes}\n", sentences, [helper, signature, *code]


def prose(prompt):
    return [prompt[start:end] for start, end in natural_language_spans(prompt)]


def compiles(text):
    try:
        compile(text, "prompt", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


@settings(max_examples=200, deadline=None)
@given(function_prompts())
def test_of_a_function_prompt_the_sentences_and_nothing_else_are_prose(made):
    prompt, sentences, _ = made
    assert compiles(prompt)
    assert prose(prompt) == sentences


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.booleans(), word, code_word), min_size=4, max_size=12))
def test_in_a_sentence_the_words_are_prose_and_the_code_is_not(pieces):
    tokens = ["Write", "a", "function"]
    for with_code, plain, code in pieces:
        tokens += [plain, code if with_code else plain]
    prompt = f'"""\n{" ".join(tokens)}\nassert solve("the word", [1]) == "every word"\n"""\n'
    assert " ".join(prose(prompt)).split() == [token for token in tokens if token not in CODE_WORDS]


@settings(max_examples=60, deadline=None)
@given(function_prompts(), st.integers(0, 99), st.sampled_from(["char", "typos", "swaps", "whitespace"]))
def test_an_attack_keeps_the_code_of_a_generated_prompt_and_it_compiles(made, seed, kind):
    prompt, _, code = made
    attacked = attack_prompt(prompt, ATTACKS[kind](), seed=seed)
    assert attacked.changed
    assert not attacked.touches_code
    assert compiles(attacked.after)
    lines = {line.strip() for line in attacked.after.split("\n")}
    for piece in code:
        assert all(line.strip() in lines for line in piece.split("\n"))


def benchmark_prompts():
    prompts = [task.prompt for name in ("demo", "humaneval") for task in load_tasks(name)]
    if official := os.environ.get("HUMANEVAL_OVERRIDE_PATH"):
        plus = Path(official)
        with (gzip.open if plus.suffix == ".gz" else open)(plus, "rt", encoding="utf-8") as file:
            prompts += [json.loads(line)["prompt"] for line in file]
    return list(dict.fromkeys(prompts))


@pytest.mark.parametrize("kind", ["char", "typos", "swaps", "whitespace"])
def test_every_benchmark_prompt_has_prose_and_keeps_everything_else(kind):
    for prompt in benchmark_prompts():
        attacked = attack_prompt(prompt, ATTACKS[kind](), seed=7)
        spans = attacked.spans
        assert spans
        assert all(one.end <= other.start for one, other in pairwise(spans))
        assert all("\n" not in prompt[start:end] and start < end for start, end in spans)
        assert attacked.changed
        assert not attacked.touches_code
        assert compiles(attacked.after) == compiles(prompt)
        assert [line for line in attacked.after.split("\n") if ">>>" in line] == [
            line for line in prompt.split("\n") if ">>>" in line
        ]


# Lines as benchmarks have them, with prose in «».
IN_A_DOCSTRING = [
    "«(leftover part always smaller than» 1).",
    "'o|' - «half note, lasts two beats»",
    "«Valid choices are» 'zero', 'one' «and» 'two'.",
    "«Digits are» 0, 1, 2, A, B, C.",
    "«return them in order (smaller number, larger number).»",
    "«You'll be given words that don't end with» 'e' «or» 'i'.",
    "- «The file's name contains exactly one dot» '.'",
    "«parentheses» '(' «or close parentheses» ')' «only.»",
    "«A path» A «is less than a path» B, «if any» j «follows» i.",
    "«Return» n-th «number of» ASCII «codes.»",
    "«A string that has an» a «followed by one or more» b's.",
    "«The date should be in the format:» mm-dd-yyyy",
    "«Return the list of triples» (a[i], a[k]) «where» i < k.",
    "90 «degree.»",
    "tri(n) = 1 + n / 2, if n is even.",
    "E.g. (()()) has two levels of nesting.",
    "compare(1, 2) should return the larger one.",
    "«sort it if the» sum( first index value, last index value) «is odd,»",
    "«Task: write a function with a path such as» a/b «or» https://example.org/a",
    "«Test cases with the same name are merged.»",
    "«Compute the product» (1 * 2 * 3) «of the first numbers.»",
]


@pytest.mark.parametrize("line", IN_A_DOCSTRING)
def test_lines_as_they_are_found_in_benchmarks(line):
    prompt = '    """\n    {}\n    """\n'.format(line.replace("«", "").replace("»", ""))
    prompt = "def solve(strings):\n" + prompt
    at, marked = 0, []
    for start, end in natural_language_spans(prompt):
        marked += [prompt[at:start], "«", prompt[start:end], "»"]
        at = end
    assert "".join([*marked, prompt[at:]]).split("\n")[2].strip() == line


def test_a_quotation_over_two_lines_is_no_prose():
    docstring = 'It says "the number of odd\n    elements in it." where the last word counts.'
    assert prose(f"def f():\n    '''{docstring}'''\n") == ["It says", "where the last word counts."]


def test_words_from_a_helpers_docstring_and_keywords_are_prose_but_names_are_not():
    prompt = (
        'from typing import List\n\ndef helper(parts):\n    """Split every word."""\n    # by length\n'
        '    return parts\n\ndef solve(numbers):\n    """Take every word from numbers by length, as helper does."""\n'
    )
    assert prose(prompt) == ["Take every word from", "by length, as", "does."]


def test_what_an_example_calls_is_a_name_in_the_prose_too():
    docstring = "Undo what encode did as wrapper does.\n\n    >>> decode(encode(\"ab\"))\n    'ab'\n    "
    prompt = f'def decode(text):\n    """{docstring}"""\n'
    assert [prompt[start:end] for start, end in natural_language_spans(prompt)] == [
        "Undo what",
        "did as wrapper does.",
    ]


def test_where_sections_end():
    prompt = '''def f(x):
    """Count the words.

    Example 1:
        Input: 3
        Explanation:
        There are three of them.

    Example 2:
        f(4) == 5
    Every word counts once.

    Args:
        x: the number of words

    Note:
        Empty words count too.

    >>> f(1)
    one more word
    >>> f(2)
    2

    It is never negative.
    """
'''
    assert prose(prompt) == [
        "Count the words.",
        "Every word counts once.",
        "Empty words count too.",
        "It is never negative.",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("return the sum of two numbers", ["return the sum of two numbers"]),
        ("from the list take the first", ["from the list take the first"]),
        ("def f(x):\n    return the_sum of words here", []),
        ("import os\nthe words of a text", []),
        ("x = 1\n# count the words of it", []),
        ("", []),
    ],
)
def test_plain_text_is_prose_and_code_without_a_docstring_is_not(text, expected):
    assert prose(text) == expected


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab\"'`()[]{}.:=->#|, \n\t1_éß字\x0c\r\\", max_size=120))
def test_any_docstring_gives_orderly_spans_that_can_be_attacked(text):
    for prompt in (text, f'def f(a):\n    """{text}"""\n', f"def f(a):\n    '{text}'\n"):
        spans = natural_language_spans(prompt)
        assert all(start < end for start, end in spans)
        assert all(one.end <= other.start for one, other in pairwise(spans))
        for kind in ("typos", "swaps", "whitespace"):
            attacked = attack_prompt(prompt, ATTACKS[kind](probability=1), seed=1)
            assert not attacked.touches_code
            assert compiles(attacked.after) or not compiles(prompt)


@pytest.mark.parametrize(
    "prompt",
    [
        'HELP = """Usage of the program goes here."""\ndef f(x):\n    return HELP\n',
        'def helper(a):\n    """Return the sum of all numbers."""\n    return 0\n\ndef f(x):\n    return 1\n',
        'def f(x):\n    f"""Return the sum of all numbers."""\n',
        'def f(x):\n    b"""Return the sum of all numbers."""\n',
        'def helper(a):\n    """Return the sum of all numbers."""\n    return 0\n\ndef f(x):\n    return (\n',
        'def f(x):\n    text = """Return the sum of all numbers."""\n    return (\n',
    ],
)
def test_a_quoted_string_that_is_not_the_wanted_functions_docstring_is_code(prompt):
    assert natural_language_spans(prompt) == []


def test_a_docstring_that_is_not_closed_yet_is_prose():
    prompt = 'def f(x):\n    """Return the sum of all numbers.\n'
    assert [prompt[start:end] for start, end in natural_language_spans(prompt)] == ["Return the sum of all numbers."]
