"""What fails on a GPU is told at once: time there is short, and what hangs later takes the summary with it."""

from __future__ import annotations

import sys

import pytest


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write a failure where it happens, past what captures output."""
    if report.failed and "gpu" in report.nodeid.split("/"):
        print(f"\n{report.longreprtext}", file=sys.__stdout__, flush=True)
