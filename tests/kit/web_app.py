"""The npm package as it is packed, and a fresh Vite application that installs it."""

import json
from collections.abc import Mapping
from pathlib import Path

from deploy.page import node
from deploy.page.page import WEB

#: Packages may have to be fetched first.
TIMEOUT_S = 240.0

_NAMES = ("react", "react-dom", "vite", "typescript", "@vitejs/plugin-react")
_TYPES = ("@types/react", "@types/react-dom")
_FILES = {
    "vite.config.js": "import react from '@vitejs/plugin-react';\nexport default { plugins: [react()] };\n",
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


def beside(app: Path, folder: Path, files: Mapping[str, str]) -> Path:
    """Another application of these *files*, with all that *app* has installed."""
    _write(folder, {"package.json": (app / "package.json").read_text(), **_FILES, **files})
    (folder / "node_modules").symlink_to(app / "node_modules")
    return folder


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
