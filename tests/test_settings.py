"""The environment becomes settings, or one line that names the variable and says what would be right."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.settings import get_settings, load_settings


def test_without_variables_the_data_are_in_the_folder_one_starts_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = load_settings({})
    assert found.data_dir == tmp_path / "data"
    assert found.database_url == f"sqlite:///{tmp_path}/data/bakeoff.db"
    assert (found.public_url, found.is_demo, found.is_sqlite, found.is_https) == (None, False, True, False)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_settings({}).is_demo = True  # type: ignore[misc]


def test_the_data_folder_may_be_relative_or_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert load_settings({"BAKEOFF_DATA": "votes/2026"}).data_dir == tmp_path / "votes/2026"
    assert load_settings({"BAKEOFF_DATA": "~/votes"}).data_dir == tmp_path / "home/votes"
    assert load_settings({"BAKEOFF_DATA": "with space"}).database_url == f"sqlite:///{tmp_path}/with space/bakeoff.db"


def test_a_data_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"BAKEOFF_DATA: .*file is a file; name a folder\."):
        load_settings({"BAKEOFF_DATA": str(tmp_path / "file")})


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("sqlite:////srv/votes.db", "sqlite:////srv/votes.db"),
        ("sqlite+pysqlite:///votes.db", "sqlite:///votes.db"),
        ("postgresql://me:p%40ss@db:5432/bakeoff", "postgresql+psycopg://me:p%40ss@db:5432/bakeoff"),
        ("postgres://db/bakeoff", "postgresql+psycopg://db/bakeoff"),
        ("postgresql+psycopg2://db/bakeoff?sslmode=require", "postgresql+psycopg://db/bakeoff?sslmode=require"),
        ("postgresql+asyncpg://db/bakeoff", "postgresql+psycopg://db/bakeoff"),
    ],
)
def test_a_database_is_reached_by_the_driver_that_we_ship(given: str, used: str) -> None:
    found = load_settings({"BAKEOFF_DATABASE_URL": given})
    assert found.database_url == used
    assert found.is_sqlite == used.startswith("sqlite")


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:secret@db/x",
        "bakeoff.db",
        "/srv/bakeoff.db",
        "postgresql:secret",
        "sqlite://",
        "sqlite:///",
        " ",
        "x",
        "sqlite:///:memory:",
        "SQLITE:///x.db",
        "https://me:secret@example.org",
    ],
)
def test_another_database_is_refused_and_the_line_tells_no_password(url: str) -> None:
    """Votes must outlive the process, so a database in memory is none either."""
    with pytest.raises(ConfigurationError, match=r"^BAKEOFF_DATABASE_URL: expected sqlite:///") as caught:
        load_settings({"BAKEOFF_DATABASE_URL": url})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "used", "is_https"),
    [
        ("https://bakeoff.example.org/", "https://bakeoff.example.org", True),
        ("http://10.0.0.7:8501", "http://10.0.0.7:8501", False),
        ("https://example.org:8443", "https://example.org:8443", True),
    ],
)
def test_the_public_address_decides_whether_the_cookie_is_secure(given: str, used: str, is_https: bool) -> None:
    found = load_settings({"BAKEOFF_PUBLIC_URL": given})
    assert (found.public_url, found.is_https) == (used, is_https)


@pytest.mark.parametrize("url", ["bakeoff.example.org", "ftp://example.org", "https://", "javascript:alert(1)", "//x"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^BAKEOFF_PUBLIC_URL: "):
        load_settings({"BAKEOFF_PUBLIC_URL": url})


@pytest.mark.parametrize(
    ("value", "is_demo"), [("1", True), ("TRUE", True), (" yes ", True), ("0", False), ("", False)]
)
def test_a_flag_is_on_or_off(value: str, is_demo: bool) -> None:
    assert load_settings({"BAKEOFF_DEMO": value}).is_demo is is_demo


def test_a_flag_that_is_neither_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^BAKEOFF_DEMO: 'maybe' is neither 1 nor 0"):
        load_settings({"BAKEOFF_DEMO": "maybe"})


def test_the_settings_of_a_process_are_read_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    get_settings.cache_clear()
    monkeypatch.setenv("BAKEOFF_DATA", str(tmp_path / "first"))
    first = get_settings()
    monkeypatch.setenv("BAKEOFF_DATA", str(tmp_path / "second"))
    assert get_settings() is first
    get_settings.cache_clear()
