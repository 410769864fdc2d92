"""The sentence-level attack: the prompt's sentences after a trip through another language and back."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import ClassVar

from qrtui.errors import AttackError
from qrtui.perturb import sentences
from qrtui.perturb.attack import Attack, Edit, Subject
from qrtui.perturb.spans import Span
from qrtui.perturb.translation.engine import ASSETS, EngineName, how_to_get


class SentenceAttack(Attack, frozen=True, kw_only=True, tag="sentence"):
    """Back-translation (paper, Section S2, sentence level).

    `engine` says by what: `mbart-50` is the paper's, English to German to English; `opus-mt` takes the same way with
    two small models; `apertium` goes through Spanish by rules and loses far more of the meaning, so its results are
    not the paper's. The attack itself is deterministic and translates nothing: it is given the translations of
    what `sources` names.
    """

    level: ClassVar[str] = "sentence"

    engine: EngineName = "mbart-50"

    @property
    def assets(self) -> tuple[str, ...]:
        """The engine's weights; none for apertium, which is a program."""
        return ASSETS[self.engine]

    def sources(self, text: str, spans: Sequence[Span]) -> list[str]:
        """What of the text must be translated before it can be attacked, each once, in order."""
        return sentences.sources(text, spans)

    def edits(
        self, text: str, spans: Sequence[Span], rng: random.Random, translations: Mapping[str, str] | None = None
    ) -> list[Edit]:
        """One edit for each line of a sentence that came back changed; see `edits_of`."""
        try:
            return sentences.edits(text, spans, translations or {})
        except KeyError as missing:
            source = str(missing.args[0])
            start = source if len(source) <= 50 else f"{source[:47].rstrip()}..."
            raise AttackError(
                f"no translation by {self.engine} of {start!r} is known", how_to_get(self.engine)
            ) from None

    def edits_of(self, subject: Subject, rng: random.Random) -> list[Edit]:
        """The same with the subject's translations; raises AttackError where one that is needed is absent."""
        return self.edits(subject.text, subject.spans, rng, subject.translations)
