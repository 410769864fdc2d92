"""Templates and tokenizers that loop, grow or fail: tried elsewhere, told in a line, remembered where they are fine."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from qrtui.errors import ModelError
from qrtui.generate.prompt_trial.child import loaded, read
from qrtui.generate.prompt_trial.trial import Trial
from qrtui.models.catalog import resolve

PLAIN = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
SPLIT = {"type": "Split", "behavior": "Isolated", "invert": False}
LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


@pytest.fixture
def model(tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QRTUI_CACHE", str(tmp_path / "cache"))
    return Path(shutil.copytree(tiny_llama, tmp_path / "model"))


def template(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "chat_template.jinja").write_text(text)


def tokenizer(**changes: object) -> Callable[[Path], object]:
    def rewrite(folder: Path) -> None:
        file = folder / "tokenizer.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))

    return rewrite


def replacing(pattern: dict[str, str], content: str, times: int = 1) -> list[dict[str, Any]]:
    return [{"type": "Replace", "pattern": pattern, "content": content}] * times


def prompts(*texts: str, style: str = "chat") -> list[Any]:
    return [
        SimpleNamespace(
            task=SimpleNamespace(task_id=f"Own/{at}"), style=style, determinants=SimpleNamespace(prompt=text)
        )
        for at, text in enumerate(texts)
    ]


def tried(folder: Path, *texts: str) -> Trial:
    trial = Trial(resolve(str(folder)))
    try:
        trial.of(prompts(*texts), lambda: None)
    finally:
        trial.close()
    return trial


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (LOOP, "it comes to no end"),
        ("{{ 9 ** (9 ** 9) }}", "it comes to no end"),  # while the template is compiled
        ("{{ 'a' * 10 ** 11 }}", "it asks for too much memory"),
    ],
)
def test_what_would_hang_or_fill_memory_is_one_line(model: Path, text: str, reason: str) -> None:
    template(text)(model)
    with pytest.raises(ModelError, match=reason) as told:
        tried(model, "w3")
    assert told.value.way_out == "fetch or copy the model again, or take another one"
    assert str(told.value).isprintable()


GROWING = replacing({"String": "w"}, "ww", 40)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (template("{% for a in range(99999) %}{{ 'a' * 99 }}{% endfor %}"), "it makes 9,899,901 characters of 61"),
        (tokenizer(pre_tokenizer={**SPLIT, "pattern": {"Regex": "(w+)+$"}}), "PanicException: .* retry-limit"),
        (tokenizer(decoder=replacing({"Regex": "(w+)+$"}, "")[0]), "it decodes by a regular expression"),
        (tokenizer(decoder={"type": "Sequence", "decoders": GROWING}), r"decoding makes texts 1e\+12 times as long"),
        (tokenizer(model={"type": "WordLevel", "vocab": {"w" * 20_000: 1}, "unk_token": "w"}), "20,000 characters"),
    ],
)
def test_what_would_fail_later_is_found(
    model: Path, change: Callable[[Path], object], reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    change(model)
    found, problem = loaded(model)
    assert re.search(reason, problem or read({"prompt": f"{'w' * 60}!", "style": "chat"}, found))


def test_the_prompt_that_a_template_loops_on_is_named_and_those_before_are_remembered(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template("{% if 'w7' in messages[0]['content'] %}" + LOOP + "{% endif %}" + PLAIN)(model)
    with pytest.raises(ModelError, match=r"of model cannot be used for Own/1 \(it comes to no end\)"):
        tried(model, "w3", "w7", "w4")
    monkeypatch.setattr("subprocess.Popen", None)
    tried(model, "w3")
    with pytest.raises(TypeError):  # which starts a process
        tried(model, "w4")


def test_nothing_is_remembered_of_changed_files_or_of_what_goes_by_the_clock(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template(PLAIN)(model)
    tried(model, "w3")
    template(PLAIN + "{{ strftime_now('%d') }}")(model)
    tried(model, "w3")
    monkeypatch.setattr("subprocess.Popen", None)
    with pytest.raises(TypeError):
        tried(model, "w3")
    template(PLAIN + "!")(model)
    with pytest.raises(TypeError):
        tried(model, "w3")
    template(PLAIN)(model)
    tried(model, "w3")


def test_a_trial_that_is_killed_begins_anew_and_one_that_is_stopped_ends(model: Path) -> None:
    template(PLAIN)(model)
    trial = Trial(resolve(str(model)))
    trial.begin(prompts("w3"))
    process = trial._process
    assert process is not None
    process.kill()
    trial.of(prompts("w3"), lambda: None)
    template(LOOP)(model)
    trial = Trial(resolve(str(model)))

    def stop() -> None:
        raise KeyboardInterrupt

    trial.begin(prompts("w3"))
    process = trial._process
    with pytest.raises(KeyboardInterrupt):
        trial.of(prompts("w3"), stop)
    assert process is not None
    assert process.returncode is not None
