"""Certificates made for a test: a CA's own, and those that it has signed."""

import shutil
import subprocess
from pathlib import Path

import pytest

_NEW_KEY = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-batch")


def make_authority(folder: Path, name: str = "ca") -> None:
    """`<name>.key` and `<name>.crt` in *folder*. Skips the test where there is no openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    _openssl(
        folder, *_NEW_KEY, "-x509", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt"
    )


def make_certificate(folder: Path, name: str, ca: str = "ca") -> None:
    """`<name>.key` and `<name>.crt`, for this machine, signed by an authority in *folder*."""
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    _openssl(folder, *_NEW_KEY, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
    signed = ("-CA", f"{ca}.crt", "-CAkey", f"{ca}.key", "-CAcreateserial", "-extfile", "names")
    _openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.crt")


def make_certificates(folder: Path, *names: str) -> Path:
    """An authority `ca` in *folder*, and what it has signed; gives the folder."""
    make_authority(folder)
    for name in names:
        make_certificate(folder, name)
    return folder


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
