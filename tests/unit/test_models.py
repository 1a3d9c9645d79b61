"""`models.toml`: what it may say, and how it is told what it may not."""

from pathlib import Path

import pytest

from shared.events import Usage
from shared.models import Model, Models, load
from shared.upstream import Prices, UpstreamEntry, needs_of, no_upstream, places

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
        ('[models.a]\nbackend = "scripted"\naccepts = ["n"]', "'a', accepts: .*'n'"),
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


UPSTREAMS = """
[models.a]
parameters = { temperature = 0.3, seed = 1 }
accepts = ["min_p"]
cannot = ["sounds"]
first_token_timeout_s = 9
[[models.a.upstreams]]
base_url = "http://one/v1"
can_continue = true
parameters = { seed = 2 }
takes = ["tools", "top_k"]
[[models.a.upstreams]]
name = "two"
backend = "scripted"
region = "eu"
parameters = {}
first_token_timeout_s = 4
prices = { prompt = 1, completion = 2 }
"""


def test_upstreams(write: Write) -> None:
    """Each is the model with what it says itself; the model takes what one of them takes."""
    model = load(write(UPSTREAMS)).by_name["a"]
    one, two = model.at(0), model.at(1)
    assert (one.base_url, one.can_continue, one.parameters) == (
        "http://one/v1",
        True,
        {"temperature": 0.3, "seed": 2},
    )
    assert (one.first_token_timeout_s, two.first_token_timeout_s) == (9, 4)
    assert (two.backend, two.can_continue, two.parameters["seed"]) == ("scripted", False, 1)
    assert two.prices == Prices(prompt=1, completion=2)
    assert [place.name for place in model.places] == ["1", "two"]
    assert model.places[0].takes == {"tools", "top_k"}
    assert model.places[1].takes == {"pictures", "files", "tools", "min_p", "top_k"}
    assert model.accepts == {"min_p", "top_k"}
    assert model.cannot == ["sounds"]


@pytest.mark.parametrize(
    ("entries", "orders"),
    [("|", [1, 2]), ("weight = 3|", [0, 0]), ("order = 7|order = 2", [7, 2]), ("|order = 1", [0, 1])],
)
def test_their_order(write: Write, entries: str, orders: list[int]) -> None:
    """As they are listed, unless an order or a weight says otherwise."""
    text = "[models.a]\nbackend = 'scripted'\n" + "".join(
        f"[[models.a.upstreams]]\n{entry}\n" for entry in entries.split("|")
    )
    assert [place.order for place in load(write(text)).by_name["a"].places] == orders


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("weigth = 1", "'a', upstream 2: .*weigth"),
        ("weight = 'much'", "'a', upstream 2, weight: "),
        ("weight = 0", "'a', upstream 2, weight: "),
        ("weight = nan", "'a', upstream 2, weight: "),
        ("weight = inf", "'a', upstream 2, weight: "),
        ("concurrency = 0", "'a', upstream 2, concurrency: "),
        ("name = 'b/c'", "'a', upstream 2, name: "),
        ("name = ''", "'a', upstream 2, name: "),
        ("name = '1'", "'a', upstream 2, name: .*another's"),
        ("backend = 'openai_compatible'", "'a', upstream 2, base_url: "),
        ("first_token_timeout_s = 0", "'a', upstream 2, first_token_timeout_s: "),
        ("between_tokens_timeout_s = inf", "'a', upstream 2, between_tokens_timeout_s: "),
        ("prices = { prompt = 1 }", "'a', upstream 2, prices: .*completion"),
        ("prices = { prompt = -1, completion = 1 }", "'a', upstream 2, prices.prompt: "),
        ("prices = { prompt = inf, completion = 1 }", "'a', upstream 2, prices.prompt: "),
        ("think_tags = ['', '']", "'a', upstream 2, think_tags: "),
        ("takes = 'tools'", "'a', upstream 2, takes: "),
    ],
)
def test_a_wrong_upstream(write: Write, line: str, says: str) -> None:
    """The error names the model, the upstream and the field."""
    head = "[models.a]\nbackend = 'scripted'\n[[models.a.upstreams]]\n[[models.a.upstreams]]\n"
    with pytest.raises(ValueError, match=says):
        load(write(head + line))


def test_a_hedge_needs_two(write: Write) -> None:
    """Nobody else could be asked."""
    with pytest.raises(ValueError, match="'a', hedge_after_s"):
        load(write("[models.a]\nbackend = 'scripted'\nhedge_after_s = 1"))


def test_the_wildcard(write: Write) -> None:
    """It serves every name that no other has, and is no default where another is."""
    models = load(write('[models."*"]\nbackend = "scripted"\n[models.a]\nbackend = "scripted"\n'))
    assert models.default == "a"
    assert models.get("a") is models.by_name["a"]
    assert models.get("whatever") is models.by_name["*"]
    assert (models.queue_of("a"), models.queue_of("whatever")) == ("a", "*")
    assert models.queues.keys() == {"*", "a"}
    only = load(write('default = "b"\n[models."*"]\nbackend = "scripted"\n'))
    assert only.default == "b"
    with pytest.raises(ValueError, match="'b'"):
        load(write('default = "b"\n[models.a]\nbackend = "scripted"\n'))


def test_what_it_costs() -> None:
    """For a million tokens each; cached and reasoning tokens are part of the others."""
    usage = Usage(1_000_000, 2_000_000, 3_000_000, cached_tokens=400_000, reasoning_tokens=500_000)
    assert Prices(prompt=1, completion=10).of(usage) == 21
    assert Prices(prompt=1, cached=0.5, completion=10, reasoning=4).of(usage) == pytest.approx(17.8)


def test_what_a_history_needs() -> None:
    """Of one that was cut before its calls, their results."""
    results = [{"role": role, "content": "1.2"} for role in ("tool", "function", "user")]
    assert [needs_of([said], {}, frozenset()) for said in results] == [{"tools"}, {"tools"}, set()]


def test_what_no_upstream_takes() -> None:
    """It is said in one line what each lacks."""
    entries = [UpstreamEntry(takes=frozenset({"tools"})), UpstreamEntry(takes=frozenset({"pictures"}))]
    found = places(entries, [], frozenset())
    assert no_upstream("a", found, frozenset({"tools"})) is None
    assert no_upstream("a", found, frozenset({"tools", "pictures"})) == (
        "No upstream of the model 'a' can serve this: 1 does not take pictures; 2 does not take tools."
    )


def test_a_model_in_the_queue_of_speech() -> None:
    """It would be spoken."""
    with pytest.raises(ValueError, match="is that of speech"):
        Models({"speech": SCRIPTED})
