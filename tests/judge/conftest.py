from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from qrtui.errors import JudgeError
from qrtui.judge.pool import JudgePool
from qrtui.tasks.task import Task


@pytest.fixture(scope="package", params=["as found", "without bubblewrap"])
def pool(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JudgePool]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QRTUI_CACHE", str(tmp_path_factory.mktemp("cache")))
        if request.param == "without bubblewrap":
            patch.setenv("PATH", str(tmp_path_factory.mktemp("no-programs")))
        try:
            opened = JudgePool(1)
        except JudgeError as error:
            pytest.skip(str(error))
        with opened:
            yield opened


@pytest.fixture
def add() -> Task:
    return Task(
        task_id="own/add",
        prompt="def add(a, b):\n",
        canonical_solution="    return a + b\n",
        entry_point="add",
        dataset="own",
        base_input=[[1, 2], [30, 40]],
        plus_input=[[-5, 5], [10**30, 1]],
    )


@pytest.fixture
def checked_add() -> Task:
    return Task(
        task_id="own/checked",
        prompt="def add(a, b):\n",
        canonical_solution="    return a + b\n",
        entry_point="add",
        dataset="own",
        test="def check(candidate):\n    assert candidate(1, 2) == 3\n    assert candidate(b=[2], a=[1]) == [1, 2]\n",
    )


def beside(pattern: str) -> Path | None:
    """A file of the project's data that is not part of it, kept in a folder beside the checkout; None if absent."""
    return next(iter(sorted(Path(__file__).parents[3].glob(f"*/{pattern}"))), None)
