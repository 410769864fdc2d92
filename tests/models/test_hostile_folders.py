"""Model folders that somebody else made: damaged in every way, or with code of their own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qrtui.control import Control
from qrtui.errors import ModelError
from qrtui.events import Event, Notice
from qrtui.models.catalog import memory_needed, resolve, revision, uses_chat_template
from qrtui.models.listing import row
from qrtui.models.load import load, unload
from qrtui.models.precisions import PRECISIONS
from qrtui.presets import load_preset
from qrtui.run import run

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
DEEP = b"[" * 100_000


@pytest.fixture
def copy(tiny_llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_llama, tmp_path / "copy"))


def edit(file: Path, **changes: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def put(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def config(**changes: object) -> Callable[[Path], object]:
    return lambda folder: edit(folder / "config.json", **changes)


def header(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    """Replaces the header of the weights and leaves the weights as they are."""

    def rewrite(folder: Path) -> None:
        content = (folder / WEIGHTS).read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        changed = json.dumps(change(json.loads(content[8 : 8 + length]))).encode()
        (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(changed)) + changed + content[8 + length :])

    return rewrite


def each_tensor(**changes: object) -> Callable[[Path], object]:
    return header(lambda old: {name: {**entry, **changes} for name, entry in old.items() if name != "__metadata__"})


def cut(size: int) -> Callable[[Path], object]:
    return lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:size])


DAMAGES: dict[str, Callable[[Path], object]] = {
    "weights cut": cut(-1000),
    "header cut": cut(20),
    "no header": cut(4),
    "no weights": cut(0),
    "a header longer than the file": lambda folder: (folder / WEIGHTS).write_bytes(struct.pack("<Q", 9**8) + b"{}"),
    "a header that is a list": header(lambda old: [1]),  # type: ignore[arg-type]
    "entries that are numbers": header(lambda old: dict.fromkeys(old, 3)),
    "shapes that are words": each_tensor(shape=["a"]),
    "negative shapes": each_tensor(shape=[-1]),
    "offsets beyond the end": each_tensor(data_offsets=[0, 10**15]),
    "weights of whole numbers": each_tensor(dtype="I32"),
    "deep index": put(INDEX, DEEP),
    "index of numbers": put(INDEX, b'{"weight_map": {"a": 1, "b": "x"}}'),
    "index without names": put(INDEX, b'{"weight_map": null}'),
    "index that leads out": put(INDEX, b'{"weight_map": {"lm_head.weight": "../copy/model.safetensors"}}'),
    "index of a name too long": put(INDEX, b'{"weight_map": {"a": "%s"}}' % (b"x" * 5000)),
    "missing shard": put(INDEX, b'{"weight_map": {"a": "model-00001-of-00002.safetensors"}}'),
    "no config": lambda folder: (folder / "config.json").unlink(),
    "garbled config": put("config.json", b"\xff\x00{"),
    "deep config": put("config.json", DEEP),
    "config that is a list": put("config.json", b"[]"),
    "millions of layers": config(num_hidden_layers=10**7),
    "huge sizes": config(hidden_size=10**12),
    "a size in words": config(hidden_size="lots"),
    "no heads": config(num_attention_heads=0),
    "quantized already": config(quantization_config={"quant_method": "gptq", "bits": 4}),
    "no model of code": config(model_type="t5"),
    "an unknown architecture with escape codes": config(model_type="\x1b]0;x\x07"),
    "no tokenizer": lambda folder: (folder / "tokenizer.json").unlink(),
    "garbled tokenizer": put("tokenizer.json", bytes(range(256))),
    "a pipe in a file's place": lambda folder: os.mkfifo(folder / "special_tokens_map.json"),
    "a pipe as configuration": lambda folder: (
        (folder / "tokenizer_config.json").unlink(),
        os.mkfifo(folder / "tokenizer_config.json"),
    ),
    "deep tokenizer": put("tokenizer.json", DEEP),
    "a tokenizer config that is a list": put("tokenizer_config.json", b"[1]"),
}
# These leave a model that loads: what the index or the generation config say does not matter then.
HARMLESS_DAMAGES = {"deep index"}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_model_is_one_line_wherever_it_is_met(copy: Path, name: str) -> None:
    DAMAGES[name](copy)
    said = []
    try:
        info = resolve(str(copy))
    except ModelError as error:
        said.append(error)
    else:
        row(info), revision(info), uses_chat_template(info), memory_needed(info, PRECISIONS["nf4"])
        try:
            unload(load(info, PRECISIONS["fp32"], "cpu"))
        except ModelError as error:
            said.append(error)
    assert len(said) == (name not in HARMLESS_DAMAGES)
    for error in said:
        assert error.way_out
        assert str(error).isprintable()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("chat_template.jinja", b"{% for x in %}"),
        ("chat_template.jinja", b"{{ ''.__class__.__mro__ }}"),
        ("chat_template.jinja", b" "),
        ("chat_template.jinja", b"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"),
        ("tokenizer.json", b'{"model": {"type": "WordLevel", "vocab": {}, "unk_token": "<unk>"}}'),
        ("tokenizer.json", b'{"model": {"type": "WordLevel", "vocab": {"<unk>": 64}, "unk_token": "<unk>"}}'),
    ],
)
def test_a_prompt_that_the_models_files_make_nothing_of_ends_the_run_in_one_line(
    copy: Path, tmp_path: Path, name: str, content: bytes
) -> None:
    (copy / name).write_bytes(content)
    ended = run(preset(copy), tmp_path / "db", lambda event: None, Control())
    assert ended.status == "failed"
    assert "copy" in ended.reason
    assert ended.reason.isprintable()


def preset(folder: Path, *, trust: bool = False) -> Any:
    model = f'[{{id = "{folder}", trust_remote_code = {str(trust).lower()}}}]'
    changes = ("generation.max_new_tokens=1", 'precisions.quantized=["bf16"]', "attacks=[]", "noise={}")
    return load_preset("demo", (f"models={model}", *changes), 1)


@pytest.fixture
def with_code(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Gives the model code, named in one place or another, that leaves a mark when it runs; returns the mark."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    mark = tmp_path / "mark"

    def add(place: str) -> Path:
        code = f"open({str(mark)!r}, 'w').close()\nfrom transformers import LlamaConfig, LlamaForCausalLM\n"
        code += "from transformers import PreTrainedTokenizerFast\nclass Config(LlamaConfig): model_type = 'own'\n"
        code += "class Model(LlamaForCausalLM): config_class = Config\nclass Tokenizer(PreTrainedTokenizerFast): pass\n"
        (copy / "own.py").write_text(code)
        model = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
        tokenizer = {"AutoTokenizer": ["own.Tokenizer", "own.Tokenizer"]}
        match place:
            case "config":
                edit(copy / "config.json", auto_map=model, model_type="own")
            case "config of a known architecture":
                edit(copy / "config.json", auto_map=model)
            case "tokenizer config":
                edit(copy / "tokenizer_config.json", auto_map=tokenizer, tokenizer_class="Tokenizer")
            case "config for the tokenizer":
                edit(copy / "config.json", auto_map=tokenizer)
            case "generation":
                (copy / "custom_generate").mkdir()
                (copy / "own.py").rename(copy / "custom_generate" / "generate.py")
        return mark

    return add


PLACES = ["config", "config of a known architecture", "tokenizer config", "config for the tokenizer", "generation"]


@pytest.mark.parametrize("place", PLACES)
def test_no_code_of_a_models_own_runs_unasked(copy: Path, with_code: Callable[[str], Path], place: str) -> None:
    mark = with_code(place)
    # The others name code in the place of some that transformers has itself, and get that.
    refused = place in ("config", "tokenizer config")
    with pytest.raises(ModelError, match="code of its own") if refused else contextlib.nullcontext():
        unload(load(resolve(str(copy)), PRECISIONS["fp32"], "cpu"))
    assert not mark.exists()


@pytest.mark.parametrize("place", ["config", "generation"])
def test_trusted_code_runs_and_the_person_is_told(
    copy: Path, tmp_path: Path, with_code: Callable[[str], Path], place: str
) -> None:
    mark = with_code(place)
    told: list[Event] = []
    run(preset(copy, trust=True), tmp_path / "db", told.append, Control())
    assert mark.exists()
    notes = [event.text for event in told if isinstance(event, Notice)]
    assert len(notes) == 1
    assert ".py) with all your rights" in notes[0]


def test_pickled_weights_are_refused_by_every_command(
    copy: Path, command: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    (copy / WEIGHTS).rename(copy / "pytorch_model.bin")
    changes = ["--db", tmp_path / "db", "--set", f'models=[{{id = "{copy}", trust_remote_code = true}}]']
    for arguments in (["plan", "demo", *changes], ["run", "demo", *changes], ["pull", copy]):
        status, _, error = command(*arguments)
        assert status == 1
        assert error.count("\n") == 1
        assert "pickled weights, which may run any code; save it as safetensors" in error
