"""`models.toml`: what it may say, and how it is told what it may not."""

from pathlib import Path

import pytest

from shared.models import Model, Models, load

SCRIPTED = Model(backend="scripted")


@pytest.fixture
def write(tmp_path: Path) -> "Write":
    """Writes a models.toml and gives its path."""
    return Write(tmp_path / "models.toml")


class Write:
    """A file to be read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, text: str) -> Path:
        """*text* in the file."""
        self._path.write_text(text)
        return self._path


def test_load(write: Write) -> None:
    """Models are read by name; the first is the default unless another is named."""
    text = '[models.a]\nbackend = "scripted"\n[models.b]\nbase_url = "http://x/v1"\nconcurrency = 3\n'
    models = load(write(text))
    assert models.default == "a"
    assert models.by_name["b"].base_url == "http://x/v1"
    assert models.queues == {"a": SCRIPTED.concurrency, "b": 3}
    assert load(write('default = "b"\n' + text)).default == "b"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nonsense", "models.toml"),
        ("", "models"),
        ("[models]", "no model"),
        ("[models.a]", "base_url"),
        ('[models.a]\nbackend = "magic"', "backend"),
        ('[models.a]\nbackend = "scripted"\nconcurrencyy = 1', "concurrencyy"),
        ('[models.a]\nbackend = "scripted"\nconcurrency = "many"', "concurrency"),
        ('default = "b"\n[models.a]\nbackend = "scripted"', "'b'"),
        ('modles = 1\n[models.a]\nbackend = "scripted"', "modles"),
    ],
)
def test_what_cannot_be(write: Write, text: str, says: str) -> None:
    """What cannot be is a `ValueError` that names the place."""
    with pytest.raises(ValueError, match=says):
        load(write(text))


def test_no_file(tmp_path: Path) -> None:
    """A missing file, or none at all, is said in words."""
    with pytest.raises(ValueError, match="cannot read"):
        load(tmp_path / "models.toml")
    with pytest.raises(ValueError, match="HEADRACE_MODELS"):
        load(None)


def test_shared_queue() -> None:
    """Models may share a queue, if they agree on its concurrency."""
    one = Model(backend="scripted", queue="q", concurrency=1)
    two = Model(backend="scripted", queue="q", concurrency=2)
    assert Models({"a": one, "b": one}).queues == {"q": 1}
    with pytest.raises(ValueError, match="agree"):
        Models({"a": one, "b": two})
