"""The browser fixture drives a real Chromium, one set of cookies per person."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext

from tests import browser


def test_two_people_do_not_share_cookies(new_context: Callable[..., BrowserContext]) -> None:
    first, second = new_context(), new_context()
    first.add_cookies([{"name": "session", "value": "one", "url": "http://localhost"}])
    assert [cookie["value"] for cookie in first.cookies()] == ["one"]
    assert second.cookies() == []


def test_pages_are_drawn(new_context: Callable[..., BrowserContext]) -> None:
    page = new_context(viewport={"width": 390, "height": 844}).new_page()
    page.set_content("<main>Which answer is better?</main>")
    assert page.get_by_role("main").inner_text() == "Which answer is better?"
    assert page.evaluate("innerWidth") == 390


class TestInstall:
    """Which installers are tried, and when, with the installers replaced."""

    @pytest.fixture
    def installed(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        calls: list[str] = []
        monkeypatch.setattr(browser, "_install_with_apt", lambda: calls.append("apt"))
        monkeypatch.setattr(browser, "_install_with_playwright", lambda: calls.append("playwright"))
        monkeypatch.setattr(browser.shutil, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None)
        return calls

    def test_nothing_is_installed_when_one_is_found(self, installed, monkeypatch) -> None:
        monkeypatch.setattr(browser, "find_chromium", lambda: "/usr/bin/chromium")
        assert browser.find_or_install_chromium() == "/usr/bin/chromium"
        assert installed == []

    @pytest.mark.parametrize(("user", "tried"), [(0, ["apt", "playwright"]), (1000, ["playwright"])])
    def test_only_root_asks_the_system_packages(self, installed, monkeypatch, user, tried) -> None:
        monkeypatch.setattr(browser, "find_chromium", lambda: "/a/chromium" if installed == tried else None)
        monkeypatch.setattr(browser.os, "geteuid", lambda: user)
        assert browser.find_or_install_chromium() == "/a/chromium"
        assert installed == tried

    def test_a_machine_without_any_is_told_what_to_do(self, installed, monkeypatch) -> None:
        monkeypatch.setattr(browser, "find_chromium", lambda: None)
        with pytest.raises(RuntimeError, match="install one of chromium"):
            browser.find_or_install_chromium()

    def test_a_stub_that_does_not_run_is_passed_over(self, tmp_path) -> None:
        stub = tmp_path / "chromium-browser"
        stub.write_text("#!/bin/sh\nexit 1\n")
        stub.chmod(0o755)
        assert not browser._runs(str(stub))
