"""
The chat page, built from `gateway/web` when what it is made of has changed.

An installed package has no sources, and brings the page along.
"""

import hashlib
import json
import os
from functools import partial
from pathlib import Path

from deploy.page import node
from deploy.progress import bar
from deploy.up.child import Say

WEB = Path(__file__).parents[2] / "gateway" / "web"

_BUILD_TIMEOUT_S = 300.0
_AUDIT_TIMEOUT_S = 60.0
#: What no build reads.
_NOT_SOURCES = frozenset({"node_modules", "dist", "coverage", "corpus", "screenshots"})
_GRAVE = ("high", "critical")


class BuildFailed(Exception):
    """There is no page of these sources; the message says why."""


class Unsafe(Exception):
    """The page is built, of packages in which a grave weakness is known."""


def build(say: Say, web: Path = WEB) -> None:
    """
    Build the page unless it stands already, and ask whether its packages are safe.

    Raises `BuildFailed`, or `Unsafe` once it is built.
    """
    if not (web / "package.json").is_file():
        say("this installation has its chat page inside; one is built in a checkout")
        return
    built, audited = web / "dist" / ".built", web / "dist" / ".audited"
    try:
        with node.alone(web / "package.json"):
            wanted = fingerprint(web)
            if _holds(built, wanted) and _holds(audited, wanted):
                return
            if not _holds(built, wanted):
                say("building the chat page (the first time takes a minute)")
                built.unlink(missing_ok=True)
                with bar(None) as report:
                    node.install(web, report)
                with bar(None, "time") as report:
                    tick = partial(report, 0, 0)
                    done = node.npm(web, "run", "build", timeout_s=_BUILD_TIMEOUT_S, tick=tick)
                node.check(done, "npm run build")
                built.parent.mkdir(exist_ok=True)
                built.write_text(wanted)
            _audit(web, say)
            audited.write_text(wanted)
    except (node.NodeFailed, OSError) as error:
        raise BuildFailed(f"the chat page cannot be built: {error}") from error


def refresh(say: Say, web: Path = WEB) -> None:
    """`build`, where there are sources; what goes wrong is said, and holds nothing else up."""
    if not (web / "package.json").is_file():
        return
    try:
        build(say, web)
    except Unsafe as error:
        say(str(error))
    except BuildFailed as error:
        say(str(error))
        older = (web / "dist" / "page" / "index.html").is_file()
        say(f"going on {'with the chat page as it was built before' if older else 'without the chat page'}")


def fingerprint(web: Path) -> str:
    """Another one whenever anything that goes into the page is another."""
    digest = hashlib.sha256(node.fingerprint(web).encode())
    for source in sorted(_sources(web)):
        content = source.read_bytes()
        digest.update(f"{source.relative_to(web)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _sources(web: Path) -> list[Path]:
    found: list[Path] = []
    for folder, folders, files in os.walk(web):
        folders[:] = [name for name in folders if name not in _NOT_SOURCES and not name.startswith(".")]
        found += [Path(folder, name) for name in files if ".test." not in name and not name.startswith(".")]
    return found


def _audit(web: Path, say: Say) -> None:
    asked = ("audit", "--json", "--audit-level=high", "--fetch-retries=0", "--fetch-timeout=15000")
    with bar(None, "time") as report:
        done = node.npm(web, *asked, timeout_s=_AUDIT_TIMEOUT_S, tick=partial(report, 0, 0))
    try:
        audit = json.loads(done.stdout)
        counts = audit["metadata"]["vulnerabilities"]
    except (ValueError, KeyError, TypeError):
        say("npm audit: the registry does not answer it, so the page's packages were not checked")
        return
    if any(counts.get(level) for level in _GRAVE):
        named = [
            f"{name} ({found['severity']})"
            for name, found in audit.get("vulnerabilities", {}).items()
            if found.get("severity") in _GRAVE
        ]
        raise Unsafe(f"npm audit knows grave weaknesses in the page's packages: {', '.join(named)}")


def _holds(stamp: Path, wanted: str) -> bool:
    return stamp.is_file() and stamp.read_text() == wanted
