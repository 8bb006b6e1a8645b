"""Find a Chromium for the browser tests, or install one: ``python -m tests.browser`` prints its path."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """The first Chromium that answers ``--version``: on PATH, then the one that Playwright downloads; or None."""
    with sync_playwright() as playwright:
        candidates = [*map(shutil.which, NAMES), playwright.chromium.executable_path]
    return next((path for path in candidates if path and _runs(path)), None)


def _runs(path: str) -> bool:
    # Being there is not enough: Ubuntu's chromium-browser is a stub that fails wherever snapd is not running.
    if not Path(path).exists():
        return False
    result = subprocess.run([path, "--version"], capture_output=True, timeout=60, check=False)
    return result.returncode == 0


def find_or_install_chromium() -> str:
    """The path of a working Chromium, installed from Debian's or Playwright's packages when there is none."""
    attempts = [_install_with_playwright]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        attempts.insert(0, _install_with_apt)
    path = find_chromium()
    for install in attempts:
        if path:
            break
        install()
        path = find_chromium()
    if not path:
        raise RuntimeError(f"The browser tests need Chromium: install one of {', '.join(NAMES)} and put it on PATH.")
    return path


def _install_with_apt() -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update"], ["apt-get", "install", "-y", "chromium"]):
        _report([*command, "-q"], environment)


def _install_with_playwright() -> None:
    # As root, Playwright can add the system libraries too; without root they have to be there.
    with_libraries = ["--with-deps"] if os.geteuid() == 0 and shutil.which("apt-get") else []
    _report([sys.executable, "-m", "playwright", "install", *with_libraries, "chromium"], dict(os.environ))


def _report(command: list[str], environment: dict[str, str]) -> None:
    """Run an installer quietly; tell what it said only when it failed, since another attempt may follow."""
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        print(f"{' '.join(command)} failed:\n{result.stdout}{result.stderr}", file=sys.stderr)


if __name__ == "__main__":
    print(find_or_install_chromium())
