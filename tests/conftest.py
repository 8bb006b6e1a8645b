"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and oracles beside the checkout; required in CI, elsewhere its absence skips the test."""
    folder = Path(os.environ.get("BAKEOFF_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"the shared folder with real data is required in CI and is missing at {folder}")
        pytest.skip("the shared folder with real data is not beside this checkout")
    return folder
