"""What attacks need before prompts can be made: language data fetched, sentences translated there and back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from qrtui.attacking import Attacker
from qrtui.counting import counted
from qrtui.errors import AttackError, FetchError
from qrtui.events import Event, Fetching, Stage
from qrtui.fetching.child import StoppedError
from qrtui.fetching.progress import FetchProgress
from qrtui.perturb.assets import asset_path, fetch_asset
from qrtui.perturb.attack import Attack
from qrtui.perturb.translation.engine import ASSETS, EngineName, how_to_get, is_available, open_engine
from qrtui.results.store import Store
from qrtui.tasks.task import Task

_AT_A_TIME = 64
"""Sentences translated between two commits: what is lost at most if the process is killed."""


def prepare_attacks(
    attacks: Sequence[Attack],
    tasks: Sequence[Task],
    store: Store,
    seed: int,
    emit: Callable[[Event], None],
    stop: threading.Event,
    device: str = "auto",
) -> None:
    """Fetch and translate all that `attacks` on `tasks` lack.

    The translator is loaded once, used for all sentences, and gives its memory back before this returns. What is
    translated is kept in `store` at once. Raises StoppedError when `stop` is set, FetchError and AttackError where
    something cannot be had.
    """
    attacker = Attacker(store, seed)
    for attack in attacks:
        for task in tasks:
            attacker.attack(attack, task)
    for name in attacker.lacking_assets:
        if not any(name in assets for assets in ASSETS.values()):
            _fetch(name, emit, stop)
    for engine, sentences in attacker.lacking_sentences.items():
        translate(engine, sentences, store, emit, stop, device)


def translate(
    engine: str,
    sentences: Sequence[str],
    store: Store,
    emit: Callable[[Event], None],
    stop: threading.Event,
    device: str = "auto",
) -> None:
    """Translate sentences there and back and keep the results; see `prepare_attacks`."""
    name: EngineName = engine  # type: ignore[assignment]
    if not is_available(name):
        _fetch_translator(name, emit, stop)
    emit(Stage(f"loading the translator {name}"))
    translator = open_engine(name, device)

    def tell(done: int, total: int) -> None:
        if stop.is_set():
            raise StoppedError

    try:
        for start in range(0, len(sentences), _AT_A_TIME):
            some = sentences[start : start + _AT_A_TIME]
            emit(Stage(f"translating there and back with {name}: {start} of {counted(len(sentences), 'sentence')}"))
            results = translator.translate(some, tell)
            store.add_translations(name, translator.revision, dict(zip(some, results, strict=True)))
    finally:
        translator.close()


def _fetch_translator(name: EngineName, emit: Callable[[Event], None], stop: threading.Event) -> None:
    try:
        for asset in ASSETS[name]:
            if asset_path(asset) is None:
                _fetch(asset, emit, stop)
    except StoppedError:
        raise
    except FetchError as error:
        raise AttackError(f"the translator {name} is not here: {error.problem}", how_to_get(name)) from error


def _fetch(name: str, emit: Callable[[Event], None], stop: threading.Event) -> None:
    def tell(progress: FetchProgress) -> None:
        emit(Fetching(name, progress.stage, progress.done, progress.total))

    emit(Stage(f"fetching {name}"))
    fetch_asset(name, tell, stop)
