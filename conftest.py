"""What every test may ask for: the shared data, a browser; and a run in which nothing may be skipped."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).parent
NO_SKIPS = os.environ.get("TUNESET_NO_SKIPS") == "1"

# Hypothesis has its own profile for CI: no deadline, no chance. Here only the deadline goes: machines are busy.
if "CI" not in os.environ:
    settings.register_profile("here", deadline=None)
    settings.load_profile("here")


@pytest.fixture(scope="session")
def data() -> Path:
    """Return the folder of the shared data."""
    folder = Path(os.environ.get("TUNESET_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("shared data absent: set TUNESET_DATA to its folder")
    return folder.resolve()


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of a browser that runs without a screen."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no browser: install chromium")
    return found


def _forbid(report: pytest.TestReport | pytest.CollectReport) -> None:
    if NO_SKIPS and report.outcome == "skipped":
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else getattr(report, "wasxfail", "")
        report.outcome, report.longrepr = "failed", f"nothing may be skipped here (TUNESET_NO_SKIPS=1): {why}"
        report.__dict__.pop("wasxfail", None)  # or the summary would count it as xfailed all the same


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped or xfailed test into a failure where nothing may be skipped."""
    report = yield
    _forbid(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Do the same for a module that skips itself."""
    report = yield
    _forbid(report)
    return report
