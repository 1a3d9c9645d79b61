"""
`python -m deploy.release` builds what is published into `dist/`: the wheel, the npm package, of each the bill
of materials, their sums, and where they came from.

The same commit gives the same files.
"""

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from deploy.page import node, page
from deploy.release import provenance, sbom
from deploy.wheel import source_of
from shared.build import Source

ROOT = Path(__file__).parents[2]
DIST = ROOT / "dist"

_NPM_TIMEOUT_S = 300.0
_LIB = page.WEB / "dist" / "lib"


class CannotRelease(Exception):
    """What is missing for it."""


def main() -> None:
    """Build everything anew."""
    say = partial(print, flush=True)
    try:
        release(DIST, say)
    except (CannotRelease, node.NodeFailed, page.BuildFailed, page.Unsafe) as error:
        sys.exit(f"headrace: {error}")


def release(dist: Path, say: Any) -> None:
    """
    Fill *dist*, which is emptied first.

    Raises `CannotRelease`, `NodeFailed`, `BuildFailed` or `Unsafe`.
    """
    found = source_of(ROOT)
    if found is None:
        raise CannotRelease("a release is built from a checkout with git: nobody could say what is in it")
    source = msgspec.convert(found, Source)
    if source.dirty:
        say("the checkout has uncommitted changes: what is built says so")
    manifest = json.loads((page.WEB / "package.json").read_text())
    ours = version("headrace")
    if manifest["version"] != ours:
        raise CannotRelease(f"the npm package is {manifest['version']}, the wheel {ours}")
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir(parents=True)
    page.build(say)
    say("building the wheel")
    wheel = _wheel(dist, source, ours)
    say("building the npm package")
    package = _package(dist, source, manifest)
    built = [wheel, package, *sorted(dist.glob("*.cdx.json"))]
    told = provenance.statement(built, source, ROOT, provenance.tools(_node_version()))
    built.append(_write(dist / f"headrace-{ours}.provenance.json", told))
    sums = "".join(f"{provenance.digest(path)}  {path.name}\n" for path in built)
    (dist / "SHA256SUMS").write_text(sums)
    for path in built:
        say(f"  {path.stat().st_size / 1e6:6.2f} MB  {path.name}")


def _wheel(dist: Path, source: Source, ours: str) -> Path:
    bill = sbom.of_wheel(ours, source, page.WEB / "dist" / "page")
    written = _write(dist / f"headrace-{ours}.cdx.json", bill)
    # Zip files carry times: the commit's.
    epoch = str(int(datetime.fromisoformat(str(source.committed_at)).timestamp()))
    env = os.environ | {"HEADRACE_SBOM": str(written), "SOURCE_DATE_EPOCH": epoch}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "-qq", "--disable-pip-version-check"),
            *("--no-deps", "--no-build-isolation", "--no-cache-dir", "--wheel-dir", str(dist), str(ROOT)),
        ],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    wheels = list(dist.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        raise CannotRelease(f"the wheel cannot be built:\n{done.stdout}{done.stderr}")
    return wheels[0]


def _package(dist: Path, source: Source, manifest: dict[str, Any]) -> Path:
    node.install(page.WEB)
    node.check(node.npm(page.WEB, "run", "build:lib", timeout_s=_NPM_TIMEOUT_S), "npm run build:lib")
    ours = str(manifest["version"])
    lock = json.loads((page.WEB / "package-lock.json").read_text())
    bill = sbom.of_npm(ours, source, _LIB, lock)
    _write(_LIB / "sbom.cdx.json", bill)
    _write(dist / f"headrace-{ours}.npm.cdx.json", bill)
    _write(
        _LIB / "build.json", {"version": ours, "source": msgspec.to_builtins(source), "node": _node_version()}
    )
    packed = node.npm(
        page.WEB, "pack", "--ignore-scripts", "--pack-destination", str(dist), timeout_s=_NPM_TIMEOUT_S
    )
    node.check(packed, "npm pack")
    [tarball] = dist.glob("*.tgz")
    return tarball


def _node_version() -> str:
    done = subprocess.run([str(node.executable()), "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _write(path: Path, told: dict[str, Any]) -> Path:
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    return path


if __name__ == "__main__":
    main()
