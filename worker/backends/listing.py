"""What a server lists as its models."""

from collections.abc import Mapping, Sequence

from shared.failures import UpstreamInvalid
from worker.backends.tolerant import NotJson, load

#: More are no list that anyone could read.
_MOST = 2_000
_MOST_CHARS = 200


def models_of(body: bytes) -> Sequence[str]:
    """The names in the *body* of `GET /models`. Raises `UpstreamInvalid`."""
    try:
        said = load(body)
    except NotJson as error:
        raise UpstreamInvalid("The model server's list of models is none.") from error
    listed = said.get("data", said.get("models")) if isinstance(said, Mapping) else said
    if not isinstance(listed, list):
        raise UpstreamInvalid("The model server's list of models is none.")
    names = [each.get("id") or each.get("name") if isinstance(each, Mapping) else each for each in listed]
    return [name for name in names if isinstance(name, str) and 0 < len(name) <= _MOST_CHARS][:_MOST]
