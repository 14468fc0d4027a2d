# SPDX-License-Identifier: Apache-2.0
"""What every test shares: where the reference data lies, and how many tests went without it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Test processes run beside each other, as many as there are cores.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

CHECKOUT = Path(__file__).resolve().parents[1]


def shared_folder() -> Path:
    """Return the folder of reference data: ``SPINALCORDSEG_SHARED``, or beside the checkout."""
    return Path(os.environ.get("SPINALCORDSEG_SHARED", CHECKOUT.parent / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real scans, published weights and reference outputs; skips the test where absent."""
    folder = shared_folder()
    if not (folder / "oracle").is_dir():
        pytest.skip("no reference data: set SPINALCORDSEG_SHARED to its folder")
    return folder


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The folder of this repository."""
    return CHECKOUT


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests had no reference data to run on."""
    skipped = terminalreporter.stats.get("skipped", [])
    without = sum("SPINALCORDSEG_SHARED" in str(report.longrepr) for report in skipped)
    terminalreporter.write_line(f"{without} tests skipped for want of reference data")
