"""English word forms: a base form put into the form that another word stands in, and the article before it."""

from __future__ import annotations

import functools
import re
from typing import Literal

Form = Literal["base", "plural", "third person", "gerund", "past", "participle", "comparative", "superlative"]

_PENN = {
    "plural": "NNS",
    "third person": "VBZ",
    "gerund": "VBG",
    "past": "VBD",
    "participle": "VBN",
    "comparative": "JJR",
    "superlative": "JJS",
}
_LINKS = re.compile(r" (?=(?:of|in|to|for|on|by|at|with|from|under|upon|off|out|up|down|over|as|the|and|or) )")
# Written with a vowel and spoken with a consonant, and the other way round.
_SPOKEN_CONSONANT = re.compile(
    r"uni(?!m(?!od)|n|dent|ss)|unanim|u(?:bi|gan|k|r[aeio]|s[aei]|su|t[aeio]|-)|eu|ewe|one(?!ir|rous)|once",
    re.IGNORECASE,
)
_SPOKEN_VOWEL = re.compile(r"(?:heir|honest|honou?r|hour(?!i)|nth|[fhlmnrsx]-)", re.IGNORECASE)


def inflected(base: str, form: Form) -> str | None:
    """The base form, which may be a phrase, in the given form; None where no dictionary has that form.

    Where there are several (indexes, indices) the most usual one. Adjectives without endings of their own get
    `more` or `most`.

    >>> inflected("number", "plural"), inflected("bring back", "gerund"), inflected("prominent", "comparative")
    ('numbers', 'bringing back', 'more prominent')
    """
    if form == "base":
        return base
    before, head, after = _head(base, form)
    changed = _forms(head, _PENN[form])
    if changed:
        return f"{before}{changed[0]}{after}"
    if form in ("comparative", "superlative"):
        return f"{'more' if form == 'comparative' else 'most'} {base}"
    return None


def is_form_of(word: str, base: str, form: Form) -> bool:
    """Whether `word` is how `base` looks in the given form, in any of its usual spellings."""
    return word == base if form == "base" else word in _forms(base, _PENN[form])


def article(following: str) -> Literal["a", "an"]:
    """The indefinite article that goes before a word.

    >>> article("array"), article("unit"), article("hour"), article("unimportant")
    ('an', 'a', 'an', 'an')
    """
    if _SPOKEN_VOWEL.match(following):
        return "an"
    return "an" if following[:1].lower() in "aeiou" and not _SPOKEN_CONSONANT.match(following) else "a"


def _head(base: str, form: Form) -> tuple[str, str, str]:
    """What stands before the word that takes the ending, that word, and what follows it."""
    if " " not in base:
        return "", base, ""
    if form == "plural":
        head = _LINKS.split(base, maxsplit=1)[0]
        before, space, last = head.rpartition(" ")
        return before + space, last, base[len(head) :]
    first, space, rest = base.partition(" ")
    return "", first, space + rest


@functools.cache
def _forms(base: str, tag: str) -> tuple[str, ...]:
    from lemminflect import getInflection

    # Words outside its dictionary are refused: what it makes of them is a guess.
    return tuple(getInflection(base, tag, inflect_oov=False))
