"""A `headrace up` in this folder is found by commands that were told of no broker, and no gateway."""

import shutil
import socket
from pathlib import Path

import msgspec
import pytest

from deploy.up import found, valkey
from deploy.up.leftovers import identity
from deploy.up.nodes import Plan
from shared.settings import Settings


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new shell."""
    for name in ("HEADRACE_REDIS_URL", "HEADRACE_MODELS"):
        monkeypatch.delenv(name, raising=False)


def test_one_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its socket, while that is there; the environment's word comes first."""
    assert found.settings(tmp_path) == {}
    (tmp_path / "valkey.sock").touch()
    settings = Settings.model_validate(found.settings(tmp_path))
    assert settings.redis_url == f"unix://{tmp_path}/valkey.sock"
    assert settings.models == tmp_path / "models.toml"
    monkeypatch.setenv("HEADRACE_REDIS_URL", "redis://elsewhere:6379/0")
    assert found.settings(tmp_path) == {}


def test_far_down(tmp_path: Path) -> None:
    """Where a socket's path would be too long in its folder, the folder leads to it."""
    data = tmp_path / ("x" * 100)
    data.mkdir()
    for _ in "ab":
        path = valkey.socket_path(data)
        assert found.settings(data) == {}
        path.touch()
        assert found.settings(data)["redis_url"] == f"unix://{path}"
        shutil.rmtree(path.parent)


def test_a_cluster(tmp_path: Path) -> None:
    """By its plan, while one of its nodes listens."""
    (tmp_path / "cluster").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as node:
        port = node.getsockname()[1]
        plan = Plan(primaries=3, cells=32, password="p", ports=[(port, port + 1)])
        (tmp_path / "cluster" / "nodes.json").write_bytes(msgspec.json.encode(plan))
        settings = Settings.model_validate(found.settings(tmp_path))
        assert (settings.redis_url, settings.cells) == (f"redis+cluster://:p@127.0.0.1:{port}", 32)
    assert found.settings(tmp_path) == {}


def test_its_gateways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While that very process runs, and with the broker it was given; the environment's word comes first."""
    nobody = ["http://127.0.0.1:8000"]
    assert found.gateways(tmp_path) == nobody
    ours = found.ours(["http://127.0.0.1:1"], [], "redis://:p@far:1/0", 8)
    ours.note(tmp_path)
    assert ours.known == identity(ours.pid)
    assert found.gateways(tmp_path) == ["http://127.0.0.1:1"]
    settings = Settings.model_validate(found.settings(tmp_path))
    assert (settings.redis_url, settings.cells) == ("redis://:p@far:1/0", 8)
    assert (tmp_path / "faces.json").stat().st_mode & 0o077 == 0
    msgspec.structs.replace(ours, known="another of that number").note(tmp_path)
    assert (found.gateways(tmp_path), found.settings(tmp_path)) == (nobody, {})
    ours.note(tmp_path)
    monkeypatch.setenv("HEADRACE_REDIS_URL", "redis://elsewhere:6379/0")
    assert found.gateways(tmp_path) == nobody
    found.forget(tmp_path)
    assert found.faces(tmp_path) is None
