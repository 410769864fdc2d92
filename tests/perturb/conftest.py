"""WordNet for the word attack: the real one, fetched once, and one of a few words that needs no network."""

from __future__ import annotations

from pathlib import Path

import pytest

from qrtui.errors import FetchError
from qrtui.perturb.assets import fetch_asset
from qrtui.perturb.lexicon import load_wordnet
from qrtui.perturb.wordnet import WordNet

TINY = {
    "noun": [
        ["list", "listing"],
        ["array", "raiment", "Array"],
        ["tilt", "list", "lean"],
        ["letter", "alphabetic_character"],
        ["letters", "correspondence"],
        ["sum", "amount", "x'", "total2"],
        ["row", "words"],
        ["word", "term"],
        ["point_of_view", "view"],
    ],
    "verb": [["count", "number", "drop_a_line"], ["find", "bring_up"], ["found", "establish"], ["write", "pen"]],
    "adj": [["big", "large(a)", "prominent"], ["empty", "hollow"]],
    "adv": [["quickly", "rapidly"]],
}
LETTERS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
TINY_EXCEPTIONS = {"verb": "found find\nbigger big\n", "noun": "indices index\n"}


def write_wordnet(folder: Path, synsets: dict[str, list[list[str]]]) -> Path:
    """A database in WordNet's own file format, each part of speech's synsets in order of their frequency."""
    (folder / "lexnames").write_text("".join(f"{number:02d}\tany.thing\t1\n" for number in range(5)))
    for pos, sets in synsets.items():
        data, senses = "  1 A head line, as the real files have.  \n", {}
        for words in sets:
            offset = len(data)
            for word in words:
                senses.setdefault(word.partition("(")[0].lower(), []).append(f"{offset:08d}")
            listed = " ".join(f"{word} 0" for word in words)
            data += f"{offset:08d} 04 {LETTERS[pos]} {len(words):02x} {listed} 001 @ 00000042 n 0000 | meaning  \n"
        index = "  1 A head line.  \n" + "".join(
            f"{word} {LETTERS[pos]} {len(offsets)} 1 @ {len(offsets)} 0 {' '.join(offsets)}  \n"
            for word, offsets in sorted(senses.items())
        )
        (folder / f"data.{pos}").write_text(data)
        (folder / f"index.{pos}").write_text(index)
        (folder / f"{pos}.exc").write_text(TINY_EXCEPTIONS.get(pos, ""))
    return folder


@pytest.fixture(scope="session")
def tiny_wordnet_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wordnet(tmp_path_factory.mktemp("wordnet"), TINY)


@pytest.fixture(scope="session")
def tiny_wordnet(tiny_wordnet_folder: Path) -> WordNet:
    return load_wordnet(tiny_wordnet_folder)


@pytest.fixture(scope="session")
def wordnet() -> WordNet:
    """The real one, where the attack finds it too."""
    try:
        return load_wordnet(fetch_asset("wordnet", lambda _: None))
    except FetchError as problem:
        pytest.skip(f"WordNet is not here and could not be fetched: {problem}")
