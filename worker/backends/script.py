"""
What the scripted backend says: its options, and the text that follows from them.

The same options give the same text on every machine, so a test knows what any reader must have got.
"""

import re
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec

from shared import failures
from shared.failures import UpstreamError

_NotNegative = Annotated[int, msgspec.Meta(ge=0)]
_Seconds = Annotated[float, msgspec.Meta(ge=0)]

_UPSTREAM_ERRORS = {
    error.code: error
    for error in vars(failures).values()
    if isinstance(error, type) and issubclass(error, UpstreamError) and "code" in vars(error)
}

_WORDS = (
    *("water", "wheel", "river", "stone", "mill", "gate", "channel", "stream", "level", "weir", "sluice"),
    *("race", "head", "turn", "carry", "flow", "lift", "grain", "night", "morning", "valley", "spring"),
    *("rain", "bridge", "miller", "door", "keeper", "runs", "falls", "holds", "opens", "waits", "under"),
)
_SENTENCE_WORDS = 9
#: A delta is a word with the space before it, as models send them.
_DELTA = re.compile(r"\s*\S+|\s+$")

_SNIPPETS = {
    "text": "",
    "code": "\n\n```python\ndef flow(level: float) -> float:\n    return 0.6 * level ** 1.5\n```\n",
    "table": "\n\n| gate | level |\n| --- | --- |\n| upper | 1.2 |\n| lower | 0.7 |\n",
    "image": "\n\n![A mill and its wheel](https://example.org/mill.png)\n",
}


Fault = Literal[
    "refused",
    "tls",
    "500",
    "503",
    "429",
    "silence",
    "reset",
    "close",
    "done",
    "garbage",
    "error_frame",
    "html",
    "truncated",
]
_FAULTS: dict[str, type[UpstreamError]] = {
    "refused": failures.UpstreamRefused,
    "tls": failures.UpstreamRefused,
    "500": failures.UpstreamFailed,
    "503": failures.UpstreamFailed,
    "429": failures.UpstreamRateLimited,
    "silence": failures.BetweenTokensTimeout,
    "reset": failures.UpstreamBroke,
    "close": failures.UpstreamCutShort,
    "done": failures.UpstreamCutShort,
    "garbage": failures.UpstreamInvalid,
    "error_frame": failures.UpstreamFailed,
    "html": failures.UpstreamInvalid,
    "truncated": failures.UpstreamBroke,
}
#: A server that has one of these fails every request from then on.
DOWN = frozenset({"refused", "tls", "500", "503", "429"})


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The options, from a model's `parameters` or from a message that says `/script {…}`."""

    #: Deltas a second; 0 is as fast as possible.
    rate: _Seconds = 20
    #: Words of generated text; no more than this many of a given one.
    length: _NotNegative | None = None
    #: Said instead of generated words.
    text: str | None = None
    #: Another seed, another text.
    seed: int = 0
    #: Say what the last user message said.
    echo: bool = False
    #: Markdown that follows the words.
    kind: Literal["text", "code", "table", "image"] = "text"
    #: Pictures that come after the text, each another.
    pictures: _NotNegative = 0
    #: Deltas of reasoning that come first.
    reasoning: _NotNegative = 0
    #: Call a tool after the text.
    tool_call: bool = False
    first_token_delay_s: _Seconds = 0
    #: Deltas that come at a time, as if in one network read.
    batch: Annotated[int, msgspec.Meta(ge=1)] = 1
    #: Deltas of text after which it fails with `fail_code`. Spares a continuation that begins no earlier.
    fail_after: _NotNegative | None = None
    fail_code: str = "upstream_broke"
    #: Deltas of text after which it falls silent, for ever; spared like `fail_after`.
    stall_after: _NotNegative | None = None

    #: Deltas of text after which `fault` happens.
    fault_at: _NotNegative = 0
    #: What goes wrong, as a server on the network would do it. One that is down is so for continuations too.
    fault: Fault | None = None

    def __post_init__(self) -> None:
        if self.fail_code not in _UPSTREAM_ERRORS:
            raise ValueError(f"fail_code is not one of {', '.join(sorted(_UPSTREAM_ERRORS))}")

    @property
    def failure(self) -> UpstreamError:
        """What `fail_after` raises."""
        return _UPSTREAM_ERRORS[self.fail_code]()

    def fault_failure(self, said: int) -> UpstreamError:
        """What `fault` comes to in a reply that goes on after *said* deltas."""
        if self.fault in DOWN and said < self.fault_at:
            return failures.UpstreamBroke()
        if self.fault in {"close", "done"} and not self.fault_at:
            return failures.UpstreamFailed()
        if self.fault == "html" and self.fault_at:
            # Within a stream of events its lines are none, and then there is no end.
            return failures.UpstreamCutShort()
        error = _FAULTS[self.fault or "silence"]()
        if self.fault in {"503", "429"}:
            error.retry_after_s = 1.0
        return error


def read_script(options: Mapping[str, Any]) -> Script:
    """Raises `ValueError` with the option at fault."""
    try:
        return msgspec.convert(options, Script)
    except msgspec.ValidationError as error:
        raise ValueError(f"scripted backend: {error}") from error


def expected_text(options: Mapping[str, Any], message: str = "") -> str:
    """All the text that a script of *options* says to *message*, were it never interrupted."""
    return "".join(deltas_of(read_script(options), message))


def deltas_of(script: Script, message: str = "") -> Sequence[str]:
    """The text of *script*, delta by delta."""
    return _deltas(script, message if script.echo else "")


@lru_cache(maxsize=256)
def _deltas(script: Script, message: str) -> Sequence[str]:
    if script.echo:
        words = cut(message)[: script.length]
    elif script.text is not None:
        words = cut(script.text)[: script.length]
    else:
        words = generated_words(script.seed, 100 if script.length is None else script.length)
    return (*words, *cut(_SNIPPETS[script.kind]))


def cut(text: str) -> Sequence[str]:
    """*text* as deltas; joined they are *text* again."""
    return _DELTA.findall(text)


def up_to(text: str, stop: str | Sequence[str] | None) -> str:
    """*text* before the first of its stop sequences, as a request's `stop` has them."""
    stops = [stop] if isinstance(stop, str) else stop or ()
    return text[: min((at for each in stops if each and (at := text.find(each)) >= 0), default=len(text))]


def generated_words(seed: int, count: int) -> Sequence[str]:
    """*count* words in sentences."""
    # Not `random`: its sequences are promised by no Python version but the same one.
    words = [_WORDS[zlib.crc32(b"%d:%d" % (seed, i)) % len(_WORDS)] for i in range(count)]
    for i in range(0, count, _SENTENCE_WORDS):
        words[i] = words[i].capitalize()
    for i in range(_SENTENCE_WORDS - 1, count, _SENTENCE_WORDS):
        words[i] += "."
    return [" " + word if i else word for i, word in enumerate(words)]
