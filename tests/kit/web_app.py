"""
The npm package as it is packed, and a fresh Vite application that installs it.

`python -m tests.kit.web_app` has ready the one that browser tests look at, and so does a test that finds
the package changed.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from deploy.page import node, page
from deploy.page.page import WEB
from tests.kit import web_programs

#: Packages may have to be fetched first.
TIMEOUT_S = 240.0

#: Where `made` puts it.
FOLDER = WEB / "dist" / "app"
_NAMES = ("react", "react-dom", "vite", "typescript", "@vitejs/plugin-react")
_TYPES = ("@types/react", "@types/react-dom")
_FILES = {
    "vite.config.js": """
import { readdirSync } from 'node:fs';
import react from '@vitejs/plugin-react';
const input = readdirSync('.').filter(name => name.endsWith('.html'));
export default { plugins: [react()], build: { rolldownOptions: { input } } };
""",
    "index.html": '<!doctype html><link rel="icon" href="data:,"><body><div id="root"></div>'
    '<script type="module" src="/src/main.tsx"></script></body>',
}


def npm(folder: Path, *arguments: str) -> str:
    """What npm says."""
    done = node.npm(folder, *arguments, timeout_s=TIMEOUT_S)
    node.check(done, " ".join(("npm", *arguments)))
    return done.stdout


def packed(folder: Path) -> Path:
    """The package, as it would be published, put into *folder*."""
    node.install(WEB)
    npm(WEB, "pack", "--pack-destination", str(folder))
    (tarball,) = folder.glob("headrace-*.tgz")
    return tarball


def fresh(folder: Path, tarball: Path, files: Mapping[str, str]) -> Path:
    """An application of these *files* that depends on it, with our own versions of everything else."""
    ours = json.loads((WEB / "package-lock.json").read_bytes())["packages"]
    packages = {name: ours[f"node_modules/{name}"]["version"] for name in _NAMES + _TYPES}
    manifest = {
        "name": "app",
        "private": True,
        "type": "module",
        "scripts": {"check": "tsc", "build": "vite build"},
        "dependencies": {"headrace": f"file:{tarball}", **packages},
    }
    _write(folder, {"package.json": json.dumps(manifest), **_FILES, **files})
    npm(folder, "install", "--prefer-offline", "--ignore-scripts", "--no-audit", "--loglevel=error")
    return folder


def made() -> Path:
    """
    The application of `web_programs`, checked and built; in `packed` is the package that it has. Made anew
    whenever anything that goes into it is another.
    """
    files = {**web_programs.FILES, **web_programs.EXAMPLE}
    said = json.dumps([page.fingerprint(WEB), _FILES, files]).encode() + Path(__file__).read_bytes()
    wanted = hashlib.sha256(said).hexdigest()
    with node.alone(WEB / "package.json"):
        stamp = FOLDER / ".made"
        if stamp.is_file() and stamp.read_text() == wanted:
            return FOLDER
        shutil.rmtree(FOLDER, ignore_errors=True)
        (FOLDER / "packed").mkdir(parents=True)
        fresh(FOLDER, packed(FOLDER / "packed"), files)
        npm(FOLDER, "run", "check")
        npm(FOLDER, "run", "build")
        stamp.write_text(wanted)
    return FOLDER


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


if __name__ == "__main__":
    made()
