"""Each import contract bites: one offending import in a copy of the tree breaks it, and it alone says so."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.test_house import LINT_IMPORTS


def broken_contracts(tree: Path, contract: str) -> tuple[int, str]:
    command = [sys.executable, "-c", LINT_IMPORTS, "--no-cache", "--no-logo", "--contract", contract]
    result = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the source and of its contracts."""
    for folder in ("app", "pages", "db"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tests").mkdir()
    for name in ("pyproject.toml", "tests/plug_ins_contract.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    ("contract", "files"),
    [
        pytest.param("layers", {"app/domain.py": "import app.stats"}, id="domain-above-its-layer"),
        pytest.param("layers", {"app/services/probe.py": "import app.components"}, id="service-draws"),
        pytest.param("layers", {"db/probe.py": "import app.formats"}, id="db-beside-its-layer"),
        pytest.param("data", {"pages/probe.py": "import db"}, id="page-reads-db"),
        pytest.param("data", {"app/api/probe.py": "from db import tables", "db/tables.py": ""}, id="route-reads-db"),
        pytest.param("sql", {"app/services/probe.py": "import sqlalchemy"}, id="service-writes-sql"),
        pytest.param("streamlit", {"app/services/probe.py": "import streamlit"}, id="service-imports-streamlit"),
        pytest.param("streamlit", {"app/api/probe.py": "import streamlit.proto"}, id="route-imports-streamlit"),
        pytest.param("pure", {"app/ranking/probe.py": "import httpx"}, id="ranking-asks-the-network"),
        pytest.param("domain", {"app/domain.py": "import numpy"}, id="domain-needs-numpy"),
        pytest.param(
            "plug_ins",
            {"app/formats/one.py": "import app.formats._rows", "app/formats/_rows.py": "import app.formats.two"}
            | {"app/formats/two.py": ""},
            id="plug-in-knows-its-sibling",
        ),
        pytest.param(
            "cycles",
            {"app/stats/one.py": "import app.stats.two", "app/stats/two.py": "import app.stats.one"},
            id="cycle",
        ),
    ],
)
def test_the_contract_breaks(tree: Path, contract: str, files: dict[str, str]) -> None:
    for name, code in files.items():
        path = tree / name
        path.write_text((path.read_text() if path.exists() else "") + f"\n{code}\n")
    status, output = broken_contracts(tree, contract)
    assert status == 1
    assert re.search(r"Contracts: 0 kept, 1 broken", output), output


@pytest.mark.parametrize(
    ("contract", "files"),
    [
        pytest.param(
            "plug_ins", {"app/formats/one.py": "import app.formats._rows", "app/formats/_rows.py": ""}, id="rows"
        ),
        pytest.param("data", {"app/services/probe.py": "import db"}, id="service-reads-db"),
        pytest.param("data", {"pages/probe.py": "import app.services"}, id="page-asks-a-service"),
        pytest.param("streamlit", {"app/api/guard.py": "from streamlit.proto import BackMsg_pb2"}, id="guard"),
        pytest.param("streamlit", {"app/components/probe.py": "import streamlit"}, id="component-draws"),
    ],
)
def test_the_contract_allows(tree: Path, contract: str, files: dict[str, str]) -> None:
    for name, code in files.items():
        (tree / name).write_text(f"{code}\n")
    status, output = broken_contracts(tree, contract)
    assert status == 0, output
