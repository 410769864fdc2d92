"""Translation by transformers: mBART-50 and OPUS-MT, English to German and back.

Imports torch, so it is imported only when a model is about to be used.
"""

from __future__ import annotations

import functools
import gc
import hashlib
import importlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from qrtui.device_failures import is_out_of_memory
from qrtui.errors import AttackError
from qrtui.perturb.translation.engine import Engine, EngineName, Progress, how_to_get
from qrtui.quiet import quiet_libraries

_PROVENANCE = "qrtui-source.json"
# mBART-50's own limit, for a model that names none.
_LONGEST = 200
_BATCH = {"cuda": 64, "cpu": 8}


class Leg(NamedTuple):
    """One direction: a model, its tokenizer and, for a model of many languages, the codes of the two."""

    model: Any
    tokenizer: Any
    source: str = ""
    target: str = ""


class Seq2SeqEngine(Engine):
    """A round trip through German by one model (mBART-50) or two (OPUS-MT)."""

    def __init__(self, name: EngineName, revision: str, legs: Sequence[Leg]) -> None:
        self.name = name
        self.revision = revision
        self._legs = list(legs)

    def translate(self, sentences: Sequence[str], progress: Progress) -> list[str]:
        """See `Engine`; beam search as each model's generation_config says, never sampling."""
        distinct = sorted(set(sentences))
        results = distinct
        for number, leg in enumerate(self._legs):
            told = functools.partial(_tell, progress, number * len(distinct), 2 * len(distinct))
            results = _translate(leg, results, told)
        known = dict(zip(distinct, results, strict=True))
        return [known[sentence] for sentence in sentences]

    def close(self) -> None:
        """See `Engine`."""
        self._legs.clear()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def open_seq2seq(name: EngineName, folders: Sequence[Path], device: str) -> Seq2SeqEngine:
    """The engine with the weights in `folders`, in float16 on a GPU, else in float32; see `open_engine`."""
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        revision = " ".join(map(_revision, folders))
        place = torch.device(chosen)
        quiet_libraries()
        if name == "mbart-50":
            there = _load_mbart(folders[0], place)
            legs = [there, there._replace(source=there.target, target=there.source)]
        else:
            legs = [_load_marian(folder, place) for folder in folders]
        quiet_libraries()
    except AttackError:
        raise
    except Exception as error:  # the libraries raise every kind; each becomes one line
        raise _explained(error, name) from error
    return Seq2SeqEngine(name, revision, legs)


def _load_mbart(folder: Path, device: torch.device) -> Leg:
    from transformers import MBart50Tokenizer, MBartForConditionalGeneration

    if not (folder / "tokenizer.json").is_file():
        _check_sentencepiece()
    tokenizer = MBart50Tokenizer.from_pretrained(folder, src_lang="en_XX", local_files_only=True)
    return Leg(_load_model(MBartForConditionalGeneration, folder, device), tokenizer, "en_XX", "de_DE")


def _check_sentencepiece() -> None:
    """Where sentencepiece needs a newer protobuf than is there, transformers would only ask for a third library."""
    try:
        importlib.import_module("sentencepiece.sentencepiece_model_pb2")
    except Exception as error:  # protobuf raises an error of its own
        raise AttackError(
            f"sentencepiece does not work with the installed protobuf ({_shortened(error)})",
            "install an older one with: pip install 'sentencepiece<0.2.3'",
        ) from error


def _load_marian(folder: Path, device: torch.device) -> Leg:
    from transformers import MarianMTModel, MarianTokenizer

    tokenizer = MarianTokenizer.from_pretrained(folder, local_files_only=True)
    return Leg(_load_model(MarianMTModel, folder, device), tokenizer)


def _load_model(kind: Any, folder: Path, device: torch.device) -> Any:
    # Pickled weights are read by torch with weights_only, which runs no code.
    model, told = kind.from_pretrained(
        folder,
        dtype=torch.float16 if device.type == "cuda" else torch.float32,
        weights_only=True,
        local_files_only=True,
        output_loading_info=True,
    )
    # transformers fills an absent weight with random numbers and only warns.
    if absent := sorted(told.get("missing_keys", ())):
        raise AttackError(f"the weights in {folder} lack {absent[0]}", "fetch them again")
    return model.to(device).eval()


def _translate(leg: Leg, sentences: Sequence[str], progress: Callable[[int], None]) -> list[str]:
    """The sentences in the other language; the longest first, so that a batch holds sentences of one length."""
    if leg.source:
        leg.tokenizer.src_lang = leg.source
    lengths = [len(leg.tokenizer(sentence)["input_ids"]) for sentence in sentences]
    order = sorted(range(len(sentences)), key=lambda index: (-lengths[index], index))
    results = [""] * len(sentences)
    size = _BATCH.get(leg.model.device.type, 8)
    at = 0
    progress(0)
    while at < len(order):
        batch = order[at : at + size]
        translated = _attempt(leg, [sentences[index] for index in batch])
        if translated is None:
            if len(batch) == 1:
                raise AttackError("the translator does not fit into memory", 'take a smaller engine: "opus-mt"')
            size = len(batch) // 2
            _free(leg.model.device)
            continue
        for index, sentence in zip(batch, translated, strict=True):
            results[index] = " ".join(sentence.split())
        at += len(batch)
        progress(at)
    return results


def _tell(progress: Progress, before: int, total: int, done: int) -> None:
    progress(before + done, total)


def _attempt(leg: Leg, sentences: list[str]) -> list[str] | None:
    """The sentences in the other language, or None where memory did not suffice."""
    try:
        return _generate(leg, sentences)
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            return None
        raise AttackError(f"the translator failed ({_shortened(error)})", "try again, or another engine") from error


def _generate(leg: Leg, sentences: list[str]) -> list[str]:
    config = leg.model.config
    inputs = leg.tokenizer(
        sentences,
        return_tensors="pt",
        padding=True,
        truncation=True,
        max_length=config.max_position_embeddings,
    ).to(leg.model.device)
    limit = leg.model.generation_config.max_length or _LONGEST
    options: dict[str, Any] = {"max_length": min(limit, config.max_position_embeddings), "do_sample": False}
    if leg.target:
        options["forced_bos_token_id"] = leg.tokenizer.convert_tokens_to_ids(leg.target)
    with torch.inference_mode():
        written = leg.model.generate(**inputs, **options)
    return list(leg.tokenizer.batch_decode(written, skip_special_tokens=True))


def _free(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _revision(folder: Path) -> str:
    """What pins the weights: what a fetch noted, the hub's commit, or a hash over the files' names, sizes and dates."""
    try:
        noted = json.loads((folder / _PROVENANCE).read_text(encoding="utf-8"))
        return str(noted["revision"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # a folder that no fetch of ours made
    if folder.parent.name == "snapshots":
        return folder.name
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        about = file.stat()
        digest.update(f"{file.name} {about.st_size} {about.st_mtime_ns}\n".encode())
    return f"folder:{digest.hexdigest()[:16]}"


def _explained(error: Exception, name: EngineName) -> AttackError:
    if is_out_of_memory(error):
        return AttackError(f"{name} does not fit into memory", 'take a smaller engine: "opus-mt"')
    return AttackError(f"{name} cannot be loaded ({type(error).__name__}: {_shortened(error)})", how_to_get(name))


def _shortened(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
