"""A hub that fails: what is fetched is whole and right, or not there, and what is there is not fetched again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from qrtui.errors import FetchError
from qrtui.fetching import hub_child
from qrtui.models.catalog import local_path, resolve
from qrtui.models.fetch import fetch

from .hub_server import Hub, sha256

MODEL, WEIGHTS = "someone/tiny", "model.safetensors"
TOKEN = "hf_averyprivatetoken"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's library, in this process, waits for nothing long and asks for small pieces."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1 << 14)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)


def fetch_here(hub: Hub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Fetch as the child process does, in this one; returns the line that it tells its parent at the end."""
    home = Path(os.environ["HF_HOME"]) / "hub"
    endpoint = os.environ["HF_ENDPOINT"]
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(home))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(sys, "argv", ["hub_child", MODEL, "safetensors"])
    monkeypatch.setattr("qrtui.fetching.hub_child.end_with_parent", lambda: None)
    hub_child.main()
    return capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("stall", "Problem broken"),
        ("cut", "Problem broken"),
        ("500", "Problem other the hub answered 500"),
        ("401", "Problem gated"),
        ("flip", "Problem wrong model.safetensors"),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_a_fault_leaves_no_model_and_the_next_fetch_goes_on(
    hub: Hub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, fault: str, told: str
) -> None:
    hub.faults = {WEIGHTS: fault}  # type: ignore[dict-item]
    assert fetch_here(hub, capsys, monkeypatch) == told
    assert local_path(resolve(MODEL)) is None
    hub.faults, hub.sent, hub.ranges = {}, [], []
    hub.go_on.set()
    assert fetch_here(hub, capsys, monkeypatch).startswith("Snapshot ")
    folder = local_path(resolve(MODEL))
    assert folder is not None
    assert sha256(folder / WEIGHTS) == sha256(hub.folder / WEIGHTS)
    assert hub.sent == [WEIGHTS], "the small files were here"
    assert bool(hub.ranges) == (fault in ("stall", "cut"))


def test_a_fetch_that_is_killed_takes_its_child_along_and_goes_on_later(hub: Hub) -> None:
    (hub.folder / WEIGHTS).write_bytes((hub.folder / WEIGHTS).read_bytes() + os.urandom(24 << 20))
    content = sha256(hub.folder / WEIGHTS)
    hub.faults = {WEIGHTS: "stall"}
    program = subprocess.Popen([sys.executable, "-m", "qrtui", "pull", MODEL], stderr=subprocess.DEVNULL)
    assert hub.began.wait(30)
    cache = Path(os.environ["HF_HOME"])
    while not any(partial.stat().st_size == 10 << 20 for partial in cache.rglob(f"{content}.qrtui-partial")):
        time.sleep(0.01)
    (child,) = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
    program.send_signal(signal.SIGKILL)
    program.wait()
    while Path(f"/proc/{child}").exists() and "Z" not in Path(f"/proc/{child}/stat").read_text():
        pass
    assert local_path(resolve(MODEL)) is None
    hub.faults = {}
    hub.go_on.set()
    folder = fetch(resolve(MODEL), lambda step: None)
    assert hub.ranges == [f"bytes={10 << 20}-"]
    assert sha256(folder / WEIGHTS) == sha256(hub.folder / WEIGHTS)


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_nothing_is_asked(hub: Hub, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(FetchError, match="keeps off the hub; unset it, or copy"):
        fetch(resolve(MODEL), lambda step: None)
    assert hub.heard == []


def test_a_token_goes_to_the_hub_and_nowhere_else(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    told = [command("pull", "gated/tiny"), command("pull", MODEL), command("pull", f"./{TOKEN}")]
    assert [status for status, _, _ in told] == [1, 0, 1]
    assert f"Bearer {TOKEN}" in hub.heard
    assert TOKEN not in str(told)
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or TOKEN.encode() not in file.read_bytes(), file
