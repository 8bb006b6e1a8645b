"""The shipped configuration means what it says to the Streamlit version that is installed."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit import config
from streamlit.web.server.starlette import starlette_websocket

from tests.conftest import ROOT

SHIPPED = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())


def options(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from options(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def test_every_key_exists() -> None:
    """Streamlit passes over keys that it does not know, so a misspelt one would do nothing."""
    names = [name for name, _ in options(SHIPPED)]
    assert "runner.postScriptGC" in names
    assert [name for name in names if name not in config._config_options_template] == []


def test_it_is_found_beside_the_script_from_any_folder(tmp_path: Path) -> None:
    """Streamlit takes the file beside the entry script, wherever it is started."""
    code = (
        "import json, sys; from streamlit import config; config._main_script_path = sys.argv[1];"
        "print(json.dumps([config.get_option(name) for name in sys.argv[2:]]))"
    )
    names = ["runner.postScriptGC", "browser.gatherUsageStats", "client.showErrorDetails", "server.address"]
    command = [sys.executable, "-c", code, str(ROOT / "app/main.py"), *names]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(result.stdout) == [False, False, "none", "127.0.0.1"]


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [
        ("localhost", True),
        ("localhost:8501", True),
        ("127.0.0.1:8501", True),
        ("[::1]:8501", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        (None, False),
    ],
)
def test_only_this_machine_is_an_allowed_host(
    monkeypatch: pytest.MonkeyPatch, host: str | None, is_allowed: bool
) -> None:
    """A foreign name that resolves to this machine (DNS rebinding) does not reach the websocket."""
    monkeypatch.setattr(config, "get_option", dict(options(SHIPPED)).__getitem__)
    assert starlette_websocket.is_host_allowed(host) is is_allowed


def test_the_fonts_are_there() -> None:
    fonts = SHIPPED["theme"]["fontFaces"]
    assert {font["family"] for font in fonts} == {"Inter", "JetBrains Mono"}
    assert [font["url"] for font in fonts if not (ROOT / font["url"]).is_file()] == []


def test_the_session_header_is_json() -> None:
    assert json.loads(SHIPPED["server"]["trustedUserHeaders"]) == {"X-Bakeoff-Session": "session"}
