"""The `models.toml` that `headrace up` writes from its options."""

from pathlib import Path

import pytest

from deploy.model.catalogue import ALL, Weights
from deploy.up import embedded, llama, models_file
from deploy.up.options import CannotStart, Options
from shared import models


def options(**given: object) -> Options:
    """Options on the usual address."""
    return Options(host="127.0.0.1", port=8000, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["gpt-5", "org/model:7b", 'a "quoted" one', "back\\slash", "\x7f", "größe"])
def test_upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """An upstream becomes one model of the same name, and the default, whatever it is called."""
    monkeypatch.setenv("A_KEY", "secret")
    text = models_file.for_upstreams(["http://host:1/v1"], name, "A_KEY")
    known = models_file.write(tmp_path / "models.toml", text)
    assert known.default == name
    assert (known.by_name[name].base_url, known.by_name[name].api_key_env) == ("http://host:1/v1", "A_KEY")
    assert models.load(tmp_path / "models.toml").default == name
    assert "secret" not in (tmp_path / "models.toml").read_text()


def test_several_upstreams(tmp_path: Path) -> None:
    """One model, whose upstreams are asked in the order in which they were given."""
    text = options(upstreams=("http://a/v1", "http://b/v1"), model="m").models_toml(0)
    model = models_file.write(tmp_path / "models.toml", text).by_name["m"]
    assert [model.at(number).base_url for number in (0, 1)] == ["http://a/v1", "http://b/v1"]
    assert [place.order for place in model.places] == [1, 2]


@pytest.mark.parametrize("weights", ALL, ids=lambda weights: str(weights.name))
@pytest.mark.parametrize(("workers", "each"), [(1, llama.SLOTS), (2, llama.SLOTS // 2), (99, 1)])
def test_embedded(tmp_path: Path, weights: Weights, workers: int, each: int) -> None:
    """Workers share the embedded server's slots, and it can go on from a text that breaks off."""
    served = weights.embedded(tmp_path / weights.file)
    text = options(workers=workers).models_toml(8081, served)
    model = models_file.write(tmp_path / "models.toml", text).by_name[embedded.NAME]
    assert model.base_url == "http://127.0.0.1:8081/v1"
    assert model.concurrency == each
    assert model.can_continue
    assert model.parameters == served.parameters


@pytest.mark.parametrize("before", ['default = "a"\n', "", '# why\n  default="a" # so\n'])
def test_another_default(tmp_path: Path, before: str) -> None:
    """`--model` beside `--models` changes the default and nothing else, a key called default included."""
    mine = tmp_path / "mine.toml"
    tables = '[models.a]\nbackend = "scripted"\n[models.b]\nbackend = "scripted"\n'
    tables += "[models.b.parameters]\nseed = 3\ndefault = 1\n"
    mine.write_text(before + tables)
    known = models_file.write(tmp_path / "models.toml", options(models=mine, model="b").models_toml(0))
    assert known.default == "b"
    assert known.by_name == models.load(mine).by_name


def test_unknown_default(tmp_path: Path) -> None:
    """A model that the file does not name cannot be the default; nothing is written."""
    mine = tmp_path / "mine.toml"
    mine.write_text('[models.a]\nbackend = "scripted"\n')
    with pytest.raises(ValueError, match="'b' is not among the models"):
        models_file.write(tmp_path / "models.toml", options(models=mine, model="b").models_toml(0))
    assert not (tmp_path / "models.toml").exists()


def test_missing_key(tmp_path: Path) -> None:
    """A model whose key is not in the environment is refused by the variable's name."""
    with pytest.raises(ValueError, match="NO_SUCH_KEY"):
        models_file.write(
            tmp_path / "models.toml",
            models_file.for_upstreams(["http://x/v1", "http://y/v1"], "m", "NO_SUCH_KEY"),
        )


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"upstreams": ("http://x/v1",)}, "--model"),
        ({"upstreams": ("http://x/v1", "host:80"), "model": "m"}, "http://"),
        ({"upstreams": ("http://x/v1",), "model": "m", "models": Path("f")}, "not both"),
        ({"model": "other"}, "--upstream"),
        ({"api_key_env": "HOME"}, "--upstream"),
        ({"model_file": Path(__file__)}, "no model in GGUF"),
        ({"model_file": Path("none.gguf")}, "No such file"),
        ({"model_file": Path(__file__), "models": Path("f")}, "without --upstream and --models"),
        ({"upstreams": ("http://x/v1",), "model": "m", "api_key_env": "NO_SUCH_KEY"}, "NO_SUCH_KEY"),
        ({"models": Path("f"), "cluster": 2}, "two must be left to agree"),
        ({"models": Path("f"), "cluster": 3, "redis": "redis://x"}, "either --cluster or --redis"),
    ],
)
def test_contradictions(given: dict[str, object], word: str) -> None:
    """Options that make no sense together are refused, and the message says what would."""
    with pytest.raises(CannotStart, match=word):
        options(**given).check()
