"""
What tests need of other people's programs, as Debian has them: `python -m tests.kit.debian` installs it.

Where it cannot be had, the tests that need it are skipped.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PACKAGES = ("libfaketime", "redis-tools")
#: Installed, these would start a server of the system's own: they are unpacked into the environment instead.
_UNPACKED = {
    "caddy": "usr/bin/caddy",
    "haproxy": "usr/sbin/haproxy",
    "liblua5.3-0": "usr/share/doc/liblua5.3-0/copyright",
    "libopentracing-c-wrapper0": "usr/share/doc/libopentracing-c-wrapper0/copyright",
    "libopentracing1": "usr/share/doc/libopentracing1/copyright",
    "nginx": "usr/sbin/nginx",
    "prometheus": "usr/bin/promtool",
}
_UNPACKED_TO = _ROOT / ".venv" / "debian"
_FAKETIME = ("usr/lib/*/faketime/libfaketime.so.1", "usr/local/lib/faketime/libfaketime.so.1")


def faketime() -> Path | None:
    """The library that gives a process another wall clock."""
    return next((found for pattern in _FAKETIME for found in Path("/").glob(pattern)), None)


def redis() -> Path | None:
    """Redis' one binary; which of its programs it is, the name says that it is started under."""
    # `redis-server` itself is in a package that would also start a server of the system's own.
    found = shutil.which("redis-check-rdb")
    return Path(found).resolve() if found else None


def program(name: str) -> Path | None:
    """A program of what is unpacked, or the system's own."""
    folders = ":".join(str(_UNPACKED_TO / "usr" / folder) for folder in ("bin", "sbin"))
    found = shutil.which(name, path=folders) or shutil.which(name)
    return Path(found) if found else None


def libraries() -> str:
    """Where what is unpacked has its libraries, as `LD_LIBRARY_PATH` wants it."""
    return ":".join(map(str, _UNPACKED_TO.glob("usr/lib/*-linux-gnu*")))


def install() -> None:
    """Have all of it, if that can be."""
    if not shutil.which("apt-get"):
        return
    if not (faketime() and redis()):
        subprocess.run(["sh", "deploy/package.sh", *_PACKAGES], cwd=_ROOT, check=False)
    missing = [package for package, file in _UNPACKED.items() if not (_UNPACKED_TO / file).exists()]
    if missing:
        unpack(missing)


def unpack(packages: list[str]) -> None:
    """Have *packages* without installing them; needs no rights but to look up what there is."""
    print(f"headrace: unpacking {' '.join(packages)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        download = ["apt-get", "-qq", "download", *packages]
        if subprocess.run(download, cwd=folder, check=False, stderr=subprocess.DEVNULL).returncode:
            subprocess.run(["apt-get", "-qq", "update"], check=False)
            subprocess.run(download, cwd=folder, check=False)
        for package in Path(folder).glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, _UNPACKED_TO], check=False)


if __name__ == "__main__":
    install()
