"""
The browser of these tests: Chromium or Chrome as the machine has it, or else as it can be had.

`python -m tests.browser.chromium` installs it where it is missing; CHROMIUM=... names another one.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]
#: Debian's without windows needs an eighth less of the processor.
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_OF_MACOS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
#: The browser, and a small font for Chinese.
_DEBIAN_PACKAGES = ("chromium-headless-shell", "fonts-wqy-microhei")
_INSTALL_TIMEOUT_S = 600

#: The page is all that may be loaded; a browser's own business with the network is none of ours.
ARGUMENTS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    # A name of another machine, as the browser sees it: no secure context, over plain HTTP.
    "--host-resolver-rules=MAP headrace.test 127.0.0.1",
    "--no-first-run",
)


class NoChromium(Exception):
    """There is no browser, and it cannot be installed; the message says what to do."""


def executable() -> Path | None:
    """The browser, if there is one."""
    if named := os.environ.get("CHROMIUM"):
        return Path(named)
    found = [path for name in _NAMES if (path := shutil.which(name))]
    found += [path for path in _OF_MACOS if Path(path).exists()]
    return Path(found[0]) if found else _downloaded()


def arguments() -> list[str]:
    """What to start it with."""
    # Its sandbox refuses to work for root.
    return [*ARGUMENTS, *(["--no-sandbox"] if os.getuid() == 0 else [])]


def install() -> None:
    """Have a browser. Raises `NoChromium`."""
    if executable() is not None:
        return
    if shutil.which("apt-get"):
        subprocess.run(
            ["sh", "deploy/package.sh", *_DEBIAN_PACKAGES], cwd=_ROOT, timeout=_INSTALL_TIMEOUT_S, check=False
        )
    if executable() is None:
        command = [sys.executable, "-m", "playwright", "install", "chromium"]
        subprocess.run(command, timeout=_INSTALL_TIMEOUT_S, check=False)
    if executable() is None:
        raise NoChromium(
            "the tests of the chat page need Chromium or Chrome; install it, or name one with CHROMIUM=/path"
        )


def _downloaded() -> Path | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    return path if path.exists() else None


if __name__ == "__main__":
    try:
        install()
    except (NoChromium, subprocess.TimeoutExpired) as failed:
        sys.exit(f"headrace: {failed}")
