"""The faster way of multiplying is found by trying, told once, remembered, and undone."""

import pytest
import torch

from qrtui.generate.ways import fastest
from qrtui.generate.ways.fastest import fastest_way
from qrtui.generate.ways.known import Way, known_ways, ways_file
from qrtui.models.catalog import resolve
from qrtui.models.load import load
from qrtui.models.precisions import PRECISIONS


@pytest.fixture
def loaded(tiny_llama, tmp_path, monkeypatch):
    monkeypatch.setenv("QRTUI_CACHE", str(tmp_path))
    monkeypatch.setattr(fastest, "_WORTH_TRYING_BYTES", 0)
    return load(resolve(str(tiny_llama)), PRECISIONS["fp32"], "cpu")


def is_packed(loaded):
    return loaded.model.model.layers[0].mlp.up_proj.weight.numel() == 0


@pytest.mark.parametrize("winner", ["packed", "plain"])
def test_the_faster_way_is_taken_told_once_and_remembered(loaded, monkeypatch, winner):
    tried, said = [], []

    def seconds(model, rows):
        tried.append(is_packed(loaded))
        return 1.0 if tried[-1] == (winner == "packed") else 2.0

    monkeypatch.setattr(fastest, "_step_seconds", seconds)
    for _ in range(2):
        with fastest_way(loaded, said.append):
            assert is_packed(loaded) == (winner == "packed")
        assert not is_packed(loaded)
    assert tried == [False, True]
    loser = {"packed": "plain", "plain": "packed"}[winner]
    assert said == [f"{loaded.info.name} in fp32 on cpu: {winner} weights, 2.0 times as fast as {loser} ones"]


def test_one_at_a_time_is_tried_by_itself(loaded, monkeypatch):
    tried, said = [], []

    def seconds(model, rows):
        tried.append(rows)
        return 2.0 if is_packed(loaded) == (rows == 1) else 1.0

    monkeypatch.setattr(fastest, "_step_seconds", seconds)
    for alone in (False, True, False, True):
        with fastest_way(loaded, said.append, alone=alone):
            assert is_packed(loaded) != alone
    assert tried == [16, 16, 1, 1]
    assert [text.rpartition(loaded.info.name)[2] for text in said] == [
        " in fp32 on cpu: packed weights, 2.0 times as fast as plain ones",
        " in fp32 on cpu, one at a time: plain weights, 2.0 times as fast as packed ones",
    ]


def test_a_damaged_memory_is_tried_anew(loaded):
    ways_file().write_text("{")
    with fastest_way(loaded, lambda text: None):
        pass
    (way,) = known_ways().values()
    assert isinstance(way, Way)
    assert way.times > 0


def test_what_a_step_takes_is_measured_in_both_ways(loaded):
    before = loaded.model(torch.ones(1, 3, dtype=torch.long)).logits
    assert fastest.try_packing(loaded.model).times >= 1 / fastest._CLEARLY - 0.01
    assert torch.equal(loaded.model(torch.ones(1, 3, dtype=torch.long)).logits, before)
