from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "torch",
    "transformers",
    "bitsandbytes",
    "plotext",
    "sqlite_utils",
    "evalplus",
    "nltk",
    "scipy",
    "numpy",
    "pygments",
)


def test_opening_the_app_imports_nothing_heavy():
    code = f"import sys, qrtui.tui.app; print([name for name in {HEAVY!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"
