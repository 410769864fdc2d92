"""`python hostile_runner.py CASES.json RESULT.json`: judge as an app would, with a terminal and a database open.

Started by `test_hostile_users.py`, as the user and at the level that it wants tried.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from pathlib import Path

import msgspec

from qrtui.judge.pool import JudgePool
from qrtui.tasks.task import Task


def main(cases_file: str, result_file: str) -> None:
    cases = json.loads(Path(cases_file).read_text())
    add = Task(
        task_id="own/add",
        prompt="def add(a, b):\n",
        canonical_solution="    return a + b\n",
        entry_point="add",
        dataset="own",
        base_input=[[1, 2], [100, 200], [-7, 7], [0, 0], [12345678901, 1]],
    )
    database = sqlite3.connect(Path(result_file).with_name("results.db"))
    database.execute("create table kept (value)")
    database.execute("insert into kept values (1)")
    database.commit()
    for fd in range(3, 64):
        try:
            os.set_inheritable(fd, True)
        except OSError:
            continue
    with JudgePool(3) as pool:
        level = pool.level
        futures = {name: pool.submit(add, code) for name, code in cases.items()}
        verdicts = {name: msgspec.to_builtins(future.result()) for name, future in futures.items()}
    kept = database.execute("select value from kept").fetchall()
    sound = database.execute("pragma integrity_check").fetchone()[0]
    result = {"uid": os.getuid(), "level": level, "verdicts": verdicts, "database": [kept, sound]}
    Path(result_file).write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
