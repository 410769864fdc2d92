"""What time a solution may take, who measures it, and that a slow one costs its limit and no one else's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from qrtui.judge import judging, pool
from qrtui.judge.judging import Prepared, Truth, verdict_of
from qrtui.judge.launch import Zygote
from qrtui.judge.pool import JudgePool
from qrtui.judge.server import strongest
from qrtui.judge.verdict import JUDGE_VERSION
from qrtui.tasks.task import Task

RIGHT = "def add(a, b):\n    return a + b\n"
HANG = "def add(a, b):\n    while True: pass\n"
SLEEP = "import time\ndef add(a, b):\n    time.sleep({})\n    return a + b\n"


@pytest.fixture
def zygote() -> Iterator[Zygote]:
    opened = strongest({})
    if opened is None:
        pytest.skip("no isolation on this machine")
    yield opened
    opened.close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QRTUI_CACHE", str(tmp_path))
    return tmp_path / "ground-truth"


def test_a_call_may_take_four_times_the_reference_and_a_second_at_least() -> None:
    assert Truth([], [0.0, 0.2, 0.25, 0.5, 3.0]).limits == [1.0, 1.0, 1.0, 2.0, 12.0]


def test_a_check_as_a_whole_has_a_limit_too(add: Task) -> None:
    def total(calls: int, seconds: float) -> float:
        task = msgspec.structs.replace(add, base_input=[[1, 2]] * calls, plus_input=[])
        return Prepared(task, Truth([3] * calls, [seconds] * calls)).total

    assert total(1, 0.0) == 15.0
    assert total(30, 0.0) == 35.0
    assert total(1000, 0.0) == total(30, 60.0) == 65.0


def test_slow_calls_that_each_keep_their_limit_end_at_the_whole(
    zygote: Zygote, add: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "SHORTEST_TOTAL", 1.0)
    monkeypatch.setattr(judging, "LONGEST_TOTAL", 1.0)
    monkeypatch.setattr(judging, "TOTAL_SLACK", 0.5)
    task = msgspec.structs.replace(add, base_input=[[1, 2]] * 10, plus_input=[])
    verdict = verdict_of(zygote, Prepared(task, Truth([3] * 10, [0.0] * 10)), SLEEP.format(0.6))
    assert verdict.base == "timeout"
    assert 1.4 < verdict.seconds < 5


def test_a_slow_reference_gives_more_time(zygote: Zygote, add: Task) -> None:
    slow = Prepared(msgspec.structs.replace(add, base_input=[[1, 2]], plus_input=[]), Truth([3], [0.4]))
    assert verdict_of(zygote, slow, SLEEP.format(1.3)).base == "passed"
    assert verdict_of(zygote, slow, SLEEP.format(3)).base == "timeout"


@pytest.mark.parametrize("deaf", [False, True])
def test_a_hanging_solution_costs_its_limit_and_holds_up_no_other(cache: Path, add: Task, deaf: bool) -> None:
    code = HANG.replace("while", "import signal; signal.signal(14, signal.SIG_IGN)\n    while") if deaf else HANG
    with JudgePool(2) as pool:
        pool.submit(add, RIGHT).result()
        hanging = pool.submit(add, code)
        others = [pool.submit(add, f"# {n}\n{RIGHT}") for n in range(3)]
        assert all(future.result().plus == "passed" for future in others)
        assert not hanging.done()
        verdict = hanging.result()
    assert verdict.base == "timeout"
    assert verdict.seconds < 7  # one second of the processor, on a machine that may be busy


def test_the_reference_is_asked_once_per_content(cache: Path, add: Task) -> None:
    with JudgePool(1) as pool:
        assert pool.submit(add, RIGHT).result().plus == "passed"
    (kept,) = cache.iterdir()
    assert kept.name == f"{add.content_hash}.json"
    told = json.loads(kept.read_text())
    assert (told["judge"], told["values"][:2], len(told["seconds"])) == (JUDGE_VERSION, [3, 70], 4)
    kept.write_text(json.dumps({**told, "values": [4, *told["values"][1:]]}))
    changed = msgspec.structs.replace(add, base_input=[[1, 2], [30, 41]])
    with JudgePool(1) as pool:
        assert pool.submit(add, RIGHT).result().expected == "4"
        assert pool.submit(changed, RIGHT).result().plus == "passed"
    assert len(list(cache.iterdir())) == 2


def test_servers_are_replaced_after_so_many_checks(cache: Path, add: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_CHECKS_A_SERVER", 2)
    with JudgePool(1) as opened:
        seen = []
        for _ in range(5):
            assert opened.submit(add, RIGHT).result().plus == "passed"
            server = opened._workers[0]._server
            assert server
            seen.append(server._process.pid)
    assert len(set(seen)) == 3
