"""`headrace plan`: how much so many streams need."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.cli import app
from deploy.plan import Load, first, needs, stored_bytes

PAGE = Path(__file__).parents[2] / "deploy" / "CAPACITY.md"


def test_one_of_each_is_enough_for_few() -> None:
    """Whatever is asked, there is at least one process of each part."""
    assert [need.count for need in needs(Load(1, 1)).values()] == [1, 1, 1]


@pytest.mark.parametrize("load", [Load(10_000, 20), Load(100_000, 5, 50), Load(1_000_000, 30, 2000)])
def test_what_is_planned_carries_the_load(load: Load) -> None:
    """No core is busier than it may be; twice the streams need more, but not more than twice as much."""
    twice = needs(replace(load, streams=2 * load.streams))
    for part, need in needs(load).items():
        assert need.cores / need.count <= 0.6
        assert need.count <= twice[part].count <= 2 * need.count
    assert stored_bytes(replace(load, log_retention_s=0, record_retention_s=0)) == 0


def test_silent_streams_are_bound_by_their_number() -> None:
    """Streams that say little need gateways all the same."""
    need = needs(Load(100_000, 0.01))["gateway"]
    assert (need.count, need.bound) == (10, "open streams")


@pytest.mark.parametrize(
    ("load", "breaks"),
    [
        (Load(100, 20), "cores: add processes"),
        (Load(100_000, 20, 500, 60, 60), "one broker's core"),
        (Load(100_000, 20, 500, 7 * 24 * 3600), "the brokers' memory"),
    ],
)
def test_what_breaks_first(load: Load, breaks: str) -> None:
    """It is named with what to do."""
    assert breaks in first(load)


def plan(*options: str) -> None:
    """`headrace plan` with these, in this process: what it says goes where the test's own does."""
    app(["plan", *options])


@pytest.mark.parametrize("streams", [10_000, 100_000, 1_000_000])
def test_the_page_shows_what_the_command_prints(capsys: pytest.CaptureFixture[str], streams: int) -> None:
    """With the figures that are measured now."""
    with suppress(SystemExit):
        plan("--streams", str(streams), "--rate", "20")
    printed = capsys.readouterr().out
    assert printed.splitlines()[0].startswith(f"{streams:,} streams at once, 20 deltas a second each")
    assert printed in PAGE.read_text()


def test_what_is_little_is_not_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A single stream begins an answer now and then."""
    with suppress(SystemExit):
        plan("--streams", "1", "--rate", "5")
    said = "1 stream at once, 5 deltas a second each: 5 deltas and 0.01 new answers a second"
    assert capsys.readouterr().out.splitlines()[0] == said


@pytest.mark.parametrize(
    "wrong",
    [
        *([], ["--streams", "0"], ["--streams", "-5"], ["--streams", "1.5"], ["--streams", "10k"]),
        ["--streams", "99999999999999999999"],
        *(["--streams", "5", "--rate", rate] for rate in ("0", "inf", "nan", "1e300", "1e-300", "20/s")),
        *(["--streams", "5", "--length", length] for length in ("0.5", "0", "10000000000000")),
    ],
)
def test_nonsense_is_refused(capfd: pytest.CaptureFixture[str], wrong: list[str]) -> None:
    """By the option's name."""
    with pytest.raises(SystemExit) as refused:
        plan(*wrong)
    assert refused.value.code
    assert "--" in "".join(capfd.readouterr())
