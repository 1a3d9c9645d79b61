"""Who is told that its generation is to stop."""

from worker.cancels import Cancels


def test_a_cancel_that_overtakes_its_claim() -> None:
    """A push that comes before its generation is expected stops it the moment it is."""
    cancels, stopped = Cancels(), list[str]()
    cancels.heard(b"gen_1 interrupted")
    cancels.expect("gen_2", stopped.append)
    assert stopped == []
    cancels.expect("gen_1", stopped.append)
    assert stopped == ["interrupted"]


def test_who_expects_it_alone_is_told() -> None:
    """Each push stops its own generation, and nobody who has been forgotten."""
    cancels, first, second = Cancels(), list[str](), list[str]()
    cancels.expect("gen_1", first.append)
    cancels.expect("gen_2", second.append)
    cancels.heard(b"gen_2 user")
    cancels.forget("gen_2")
    cancels.heard(b"gen_2 abandoned")
    assert (first, second) == ([], ["user"])
