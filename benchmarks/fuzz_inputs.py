"""Damaged presets, task files, recorded prompts, samples, settings and files of a model, thousands of each.

    python benchmarks/fuzz_inputs.py [--examples 2000] [--seed 0] [--only preset,tasks] [--model FOLDER]

Every file must be taken or refused in one printable line with a way out, within ten seconds. Prints, for each kind, how
many were taken, how many refused, the slowest, and every failure with the file that made it (kept under --keep).
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import io
import json
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, seed, settings

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.hostile_inputs import SUBJECTS, Subject, damaged, meets
from tests.hostile_texts import UNPRINTABLE

PATIENCE_S = 10


class Tally:
    """What became of the files of one kind."""

    def __init__(self, keep: Path) -> None:
        self.taken = self.refused = 0
        self.slowest = 0.0
        self.failures: collections.Counter[str] = collections.Counter()
        self._keep = keep

    def count(self, subject: Subject, path: Path) -> None:
        """Let the file be read and note how that ended."""
        began = time.monotonic()
        signal.alarm(PATIENCE_S)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                error = meets(subject, path)
        except Exception as failure:  # noqa: BLE001 - to be told, whatever it is
            where = traceback.extract_tb(failure.__traceback__)[-1]
            self._fail(path, f"{type(failure).__name__} in {Path(where.filename).name}:{where.lineno}: {failure}"[:200])
        else:
            if error is None:
                self.taken += 1
            elif UNPRINTABLE.search(str(error)) or "\n" in str(error) or not error.way_out:
                self._fail(path, f"not one printable line with a way out: {error!r}")
            else:
                self.refused += 1
        finally:
            signal.alarm(0)
        self.slowest = max(self.slowest, time.monotonic() - began)

    def _fail(self, path: Path, what: str) -> None:
        self.failures[what] += 1
        if self.failures[what] == 1:
            (self._keep / f"{len(self.failures)}-{path.name}").write_bytes(path.read_bytes())


def model_subjects(model: Path) -> dict[str, Subject]:
    """The files of a model's folder: each is damaged in turn, and the whole model then loaded."""
    from safetensors.torch import load_file, save

    from qrtui.models.catalog import memory_needed, resolve, revision, uses_chat_template
    from qrtui.models.listing import row
    from qrtui.models.load import load, unload
    from qrtui.models.precisions import PRECISIONS

    def read(path: Path) -> None:
        info = resolve(str(path.parent))
        row(info), revision(info), uses_chat_template(info), memory_needed(info, PRECISIONS["nf4"])
        unload(load(info, PRECISIONS["fp32"], "cpu"))

    def header_and_weights(header: Any) -> bytes:
        said = json.dumps(header).encode()
        return struct.pack("<Q", len(said)) + said + weights[8 + length :]

    weights = save(load_file(model / "model.safetensors"), {"format": "pt"})
    (length,) = struct.unpack("<Q", weights[:8])
    subjects = {
        name: Subject(name, lambda name=name: json.loads((model / name).read_text()), _json, read)
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json")
    }
    index = {"metadata": {"total_size": 1}, "weight_map": {"lm_head.weight": "model.safetensors"}}
    subjects["model.safetensors.index.json"] = Subject(
        "model.safetensors.index.json", lambda: json.loads(json.dumps(index)), _json, read
    )
    header = json.loads(weights[8 : 8 + length])
    subjects["model.safetensors"] = Subject(
        "model.safetensors", lambda: json.loads(json.dumps(header)), header_and_weights, read
    )
    return subjects


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def fuzz(subject: Subject, examples: int, number: int, keep: Path, beside: Path | None = None) -> Tally:
    """Try so many files of a kind; each stands among the files of the folder `beside`."""
    keep.mkdir(parents=True, exist_ok=True)
    tally = Tally(keep)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / subject.file
        for other in beside.iterdir() if beside else ():
            shutil.copy(other, folder)

        @seed(number)
        @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(content=damaged(subject))
        def try_one(content: bytes) -> None:
            path.write_bytes(content)
            tally.count(subject, path)

        try_one()
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--model", type=Path, help="A folder with a small model, whose files are damaged too.")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "qrtui-fuzz")
    chosen = parser.parse_args()
    signal.signal(signal.SIGALRM, _too_slow)
    subjects = {**SUBJECTS, **(model_subjects(chosen.model) if chosen.model else {})}
    for name in filter(None, (chosen.only or ",".join(subjects)).split(",")):
        beside = None if name in SUBJECTS else chosen.model
        tally = fuzz(subjects[name], chosen.examples, chosen.seed, chosen.keep / name, beside)
        failed = sum(tally.failures.values())
        print(f"{name}: {tally.taken} taken, {tally.refused} refused, {failed} failed; slowest {tally.slowest:.1f} s")
        for what, count in tally.failures.most_common():
            print(f"    {count} x {what!r}")


def _too_slow(*_: object) -> None:
    raise TimeoutError(f"not done after {PATIENCE_S} s")


if __name__ == "__main__":
    main()
