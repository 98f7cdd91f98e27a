"""A browser for tests: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

PHONE, DESK = 375, 1280


@contextmanager
def headless_chromium() -> Iterator:
    """Run Chromium; without it or Playwright, the test fails in CI, and is skipped elsewhere."""
    missing = [] if shutil.which("chromium") else ["chromium"]
    missing += [] if importlib.util.find_spec("playwright") else ["playwright"]
    if missing:
        can_not = pytest.fail if os.environ.get("CI") else pytest.skip
        can_not(f"not installed: {' '.join(missing)}; `make test-browser` installs them on Debian")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # As root, Chromium has no sandbox; the pages are ours.
        options = {"executable_path": shutil.which("chromium"), "args": ["--no-sandbox"]}
        with playwright.chromium.launch(**options) as browser:
            yield browser
