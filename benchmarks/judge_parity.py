"""Our verdicts beside EvalPlus' own on HumanEval+: all references, and mutants of them, every disagreement listed.

HumanEval+ is read from the file that HUMANEVAL_OVERRIDE_PATH names; without it the demo tasks are compared.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from qrtui.judge.pool import JudgePool
from qrtui.tasks.datasets import load_tasks
from tests.judge.parity import disagreements, humaneval_plus, our_verdicts, programs_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=1, help="of each kind and task (default 1)")
    parser.add_argument("--tasks", type=int, help="only the first so many")
    given = parser.parse_args()
    tasks = (humaneval_plus() or load_tasks("demo"))[: given.tasks]
    programs = programs_of(tasks, given.mutants)
    kinds = Counter(program.kind for program in programs)
    print(f"{len(tasks)} tasks of {tasks[0].dataset}: " + ", ".join(f"{kinds[kind]} {kind}" for kind in kinds))
    started = time.perf_counter()
    with JudgePool(os.cpu_count()) as pool:
        level = pool.level
        verdicts = our_verdicts(pool, programs)
    passed = sum(
        (verdict.plus or verdict.base) == "passed"
        for program, verdict in zip(programs, verdicts, strict=True)
        if program.kind == "reference"
    )
    print(f"ours: {time.perf_counter() - started:.0f} s at {level}; {passed} of {kinds['reference']} references pass")
    statuses = Counter(verdict.plus or verdict.base for verdict in verdicts)
    print("      " + ", ".join(f"{count} {status}" for status, count in statuses.most_common()))
    started = time.perf_counter()
    found = disagreements(programs, verdicts)
    print(f"EvalPlus: {time.perf_counter() - started:.0f} s, with its reference values")
    print(f"{len(programs) - len(found)} of {len(programs)} agree; disagreements: {len(found)}")
    for one in found:
        print(f"  {one}")
    unexplained = sum(one.why is None for one in found)
    print(f"unexplained: {unexplained}")
    sys.exit(1 if unexplained else 0)


if __name__ == "__main__":
    main()
