"""Attacked prompts of an experiment: made from what is here, with word of what must be fetched or translated first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from types import MappingProxyType

from qrtui.perturb.assets import asset_path
from qrtui.perturb.attack import Attack, AttackedPrompt, attack_prompt
from qrtui.perturb.attacks.sentence import SentenceAttack
from qrtui.perturb.spans import natural_language_spans
from qrtui.perturb.translation.shipped import shipped_files, shipped_translations
from qrtui.results.store import Store
from qrtui.tasks.task import Task


class Attacker:
    """Attacks prompts, as far as the data for it are on this machine.

    `lacking_assets` and `lacking_sentences` (by translation engine) gather what was missing on the way.
    """

    def __init__(self, store: Store | None, seed: int) -> None:
        self._store, self._seed = store, seed
        self._translations: dict[str, Mapping[str, str]] = {}
        self._here: dict[str, bool] = {}
        self.lacking_assets: list[str] = []
        self.lacking_sentences: dict[str, list[str]] = {}

    def attack(self, attack: Attack, task: Task) -> AttackedPrompt | None:
        """The task's prompt before and after; None where something is lacking. Raises AttackError for the rest."""
        return self.attack_text(attack, task.prompt, task.task_id)

    def attack_text(self, attack: Attack, prompt: str, task_id: str = "") -> AttackedPrompt | None:
        """The same for any prompt."""
        known: Mapping[str, str] = MappingProxyType({})
        if isinstance(attack, SentenceAttack):
            known = self.translations(attack.engine)
            sources = attack.sources(prompt, natural_language_spans(prompt))
            lacking = [source for source in sources if source not in known]
            if lacking:
                self._note(self.lacking_sentences.setdefault(attack.engine, []), lacking)
                self.need(attack)
                return None
        elif absent := [name for name in attack.assets if not self._is_here(name)]:
            self._note(self.lacking_assets, absent)
            return None
        return attack_prompt(prompt, attack, seed=self._seed, task_id=task_id, translations=known)

    def need(self, attack: Attack) -> None:
        """Note what the attack lacks before any prompt is known."""
        self._note(self.lacking_assets, [name for name in attack.assets if not self._is_here(name)])

    def translations(self, engine: str) -> Mapping[str, str]:
        """What a translation engine made of sentences so far: what ships, and what the store keeps."""
        if engine not in self._translations:
            own = self._store.translations(engine) if self._store else {}
            self._translations[engine] = {**shipped_translations(engine), **own}
        return self._translations[engine]

    def _is_here(self, asset: str) -> bool:
        if asset not in self._here:
            self._here[asset] = asset_path(asset) is not None
        return self._here[asset]

    @staticmethod
    def _note(noted: list[str], names: Iterable[str]) -> None:
        noted.extend(name for name in names if name not in noted)


def made_with(attacks: Sequence[Attack], store: Store) -> dict[str, str]:
    """What decides attacked prompts beside preset and seed: the versions of tagger and dictionary, of translators."""
    versions: dict[str, str] = {}
    if any("wordnet" in attack.assets for attack in attacks):
        versions |= {name: version(name) for name in ("HanTa", "lemminflect", "nltk")} | {"WordNet": "3.0"}
    for attack in attacks:
        if isinstance(attack, SentenceAttack):
            shipped = [file.provenance.revision for file in shipped_files() if file.provenance.engine == attack.engine]
            revisions = dict.fromkeys([*shipped, *store.translation_revisions(attack.engine)])
            versions[attack.engine] = ", ".join(revisions)
    return versions
