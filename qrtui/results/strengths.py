"""How strong the perturbations of a run were, so that unequal ones are not taken for equal ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from qrtui.counting import counted
from qrtui.perturb.dose import LayerDose
from qrtui.perturb.spans import natural_language_spans
from qrtui.perturb.strength import overall, strength
from qrtui.results.records import ConditionRecord


class NoiseStrength(msgspec.Struct, frozen=True, kw_only=True):
    """What noise did to the weights of one model in one precision; the numbers are those of `Dose`."""

    model: str
    precision: str
    perturbation: str
    share: float
    noise: float | None
    moved: float | None
    layers: tuple[LayerDose, ...]


class AttackStrength(msgspec.Struct, frozen=True, kw_only=True):
    """What an attack did to a data set's prompts: it changed `changed` of `n`.

    `characters` (Levenshtein) and `words` are means over all `n` prompts, `word_share` the mean share of a prompt's
    natural-language words that changed, `similarity` the mean of 1 - distance / length.
    """

    dataset: str
    perturbation: str
    n: int
    changed: int
    characters: float
    words: float
    word_share: float
    similarity: float

    @property
    def in_words(self) -> str:
        """One line: `changes 18 of 20 prompts, 4.2 characters and 3.1 words (31%) in the mean, similarity 0.97`."""
        return (
            f"changes {self.changed} of {counted(self.n, 'prompt')}, {self.characters:.1f} characters and"
            f" {self.words:.1f} words ({self.word_share:.0%}) in the mean, similarity {self.similarity:.2f}"
        )


def noise_strengths(conditions: Sequence[ConditionRecord]) -> list[NoiseStrength]:
    """Once for each model, precision and noise: the dose is the same for every data set."""
    found: dict[tuple[str, str, str], NoiseStrength] = {}
    for condition in conditions:
        if condition.dose:
            key = (condition.model, condition.precision, condition.perturbation)
            numbers = msgspec.structs.asdict(condition.dose)
            found.setdefault(key, NoiseStrength(model=key[0], precision=key[1], perturbation=key[2], **numbers))
    return list(found.values())


def attack_strengths(
    conditions: Sequence[ConditionRecord], prompts: Mapping[int, Mapping[str, str]]
) -> list[AttackStrength]:
    """Once for each data set and attack: every model and precision got the same prompts.

    `prompts` maps a condition's id and a task to the prompt; the clean condition's are what was attacked.
    """
    found: dict[tuple[str, str], AttackStrength] = {}
    clean = {c.dataset: prompts[c.id] for c in conditions if c.perturbation == "clean" and c.id in prompts}
    for condition in conditions:
        key = (condition.dataset, condition.perturbation)
        if condition.is_attacked and key not in found and condition.dataset in clean:
            before, after = clean[condition.dataset], prompts.get(condition.id, {})
            found[key] = _strength(*key, [(before[task], after[task]) for task in after if task in before])
    return list(found.values())


def _strength(dataset: str, perturbation: str, pairs: Sequence[tuple[str, str]]) -> AttackStrength:
    result = overall(strength(before, after, natural_language_spans(before)) for before, after in pairs)
    return AttackStrength(
        dataset=dataset,
        perturbation=perturbation,
        n=result.prompts,
        changed=result.changed,
        characters=result.characters.mean,
        words=result.words.mean,
        word_share=result.word_share.mean,
        similarity=result.similarity.mean,
    )
