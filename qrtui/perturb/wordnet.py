"""Looks words up in WordNet 3.0, through nltk's reader. Imports nltk, over a second: import it lazily."""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import nltk.data
from nltk.corpus.reader.wordnet import WordNetCorpusReader

PartOfSpeech = Literal["noun", "verb", "adj", "adv"]

# nltk's letters. For `a` it gives the satellite adjectives too.
_LETTERS: dict[PartOfSpeech, str] = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}


class _Reader(WordNetCorpusReader):  # type: ignore[misc]
    def map_wn(self, version: str = "wordnet") -> None:
        """No map to another WordNet's numbers: it needs files that are not used here."""


class WordNet:
    """The WordNet database in `folder`. Safe to use from several threads.

    An index file lists a word's synsets by how frequent each sense is, and a data file a synset's words in the order of
    its makers; both orders are kept, so that the same word has the same synonyms in the same order on any machine.
    Opening it takes seconds and reads the whole index.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder, threading.RLock()
        with _permitted(folder), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of languages beside English there are none here
            self._reader: Any = _Reader(str(folder), None)

    def knows(self, word: str, pos: PartOfSpeech) -> bool:
        """Whether the word is a base form of this part of speech."""
        return word.lower() in self.base_forms(word, pos)

    @functools.cache  # noqa: B019 - one instance a process
    def base_forms(self, word: str, pos: PartOfSpeech) -> tuple[str, ...]:
        """The known words that this may be a form of, most likely first; itself among them where it is one."""
        with self._lock:
            forms = self._reader._morphy(word.lower().replace(" ", "_"), _LETTERS[pos])
        return tuple(dict.fromkeys(form.replace("_", " ") for form in forms))

    @functools.cache  # noqa: B019 - one instance a process
    def synonyms(self, word: str, pos: PartOfSpeech) -> tuple[str, ...]:
        """The other words of the base form's synsets: the synsets by frequency, their words in WordNet's order.

        Spaces stand between the words of a phrase. Adjectives have those of satellite synsets too.
        """
        base = word.lower().replace(" ", "_")
        with self._lock, _permitted(self._folder):
            offsets = self._reader._lemma_pos_offset_map[base].get(_LETTERS[pos], ())
            sets = [self._reader.synset_from_pos_and_offset(_LETTERS[pos], offset) for offset in offsets]
            found = [other.replace("_", " ") for synset in sets for other in synset.lemma_names()]
        return tuple(other for other in dict.fromkeys(found) if other.lower() != word.lower())


@contextmanager
def _permitted(folder: Path) -> Iterator[None]:
    """nltk opens no folder that is not on its path of data."""
    nltk.data.path.append(str(folder))
    try:
        yield
    finally:
        nltk.data.path.remove(str(folder))
