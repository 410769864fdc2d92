"""Records apertium's translations of the demo tasks: python data/translations/record.py

Writes data/translations/apertium-eng-spa.jsonl beside this file, byte for byte the same wherever the same versions of
Debian's apertium and apertium-eng-spa are installed.
"""

from __future__ import annotations

import datetime
from pathlib import Path

from qrtui.perturb.sentences import sources
from qrtui.perturb.spans import natural_language_spans
from qrtui.perturb.translation.apertium import BACK, FLAGS, OUT
from qrtui.perturb.translation.engine import open_engine
from qrtui.perturb.translation.shipped import Provenance, Translation, read_translations, written
from qrtui.tasks.datasets import load_tasks

FILE = Path(__file__).with_name("apertium-eng-spa.jsonl")
LICENCE = (
    "The sentences are this project's own, under Apache-2.0. Apertium translated them with the language data of "
    "apertium-eng-spa, which is under the GPL, version 2. None of that data is copied here: this is what a program put "
    "out for our own input, which in general its licence does not cover."
)


def main() -> None:
    """Translate every sentence of the demo tasks and write the file."""
    prompts = [task.prompt for task in load_tasks("demo")]
    needed = sorted({source for prompt in prompts for source in sources(prompt, natural_language_spans(prompt))})
    engine = open_engine("apertium")
    results = engine.translate(needed, lambda done, total: None)
    translations = list(map(Translation, needed, results))
    provenance = Provenance(
        engine=engine.name,
        revision=engine.revision,
        date=_date(engine.revision, translations),
        command=f"apertium {' '.join(FLAGS)} {OUT}, then the same with {BACK}",
        sentences="those of the demo tasks, and the parts of them that may be translated by themselves",
        licence=LICENCE,
    )
    FILE.write_bytes(written(provenance, translations))
    print(f"{len(needed)} sentences in {FILE}")


def _date(revision: str, translations: list[Translation]) -> str:
    """The day these very translations were first recorded."""
    if FILE.is_file():
        before = read_translations(FILE)
        if before.provenance.revision == revision and before.translations == {
            one.source: one.result for one in translations
        }:
            return before.provenance.date
    return datetime.date.today().isoformat()


if __name__ == "__main__":
    main()
