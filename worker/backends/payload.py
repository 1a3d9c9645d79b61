"""What an upstream's payload can be beside a chunk: several lines, `[DONE]`, plain words, or an error."""

from collections.abc import Mapping
from typing import Any

from worker.backends.tolerant import NotJson, load

DONE = b"[DONE]"


def parts(payload: bytes) -> list[bytes]:
    """A payload, or its lines where each is one: some servers put no empty line between events."""
    lines = payload.split(b"\n") if type(payload) is bytes else [payload]
    if len(lines) == 1 or _is_json(payload):
        return [payload]
    lines = [line for line in lines if line.strip()]
    return lines if all(_is_json(line) or is_done(line) for line in lines) else [payload]


def is_done(payload: bytes) -> bool:
    """Whether this is `[DONE]`, however it is written."""
    return payload[:20].strip(b'" ').upper() == DONE


def _is_json(payload: bytes) -> bool:
    try:
        load(payload)
    except NotJson:
        return False
    return True


def read(payload: bytes) -> Any:
    """JSON, or else plain words."""
    try:
        return load(payload)
    except NotJson:
        return payload.decode(errors="replace")


def is_error(error: Any) -> bool:
    """Whether there is anything in an `error` field."""
    if isinstance(error, Mapping):
        return any(error.values())
    return bool(error)


def is_failure(said: Any) -> bool:
    """Whether words without an answer say by their form that there will be none."""
    if not isinstance(said, Mapping):
        return isinstance(said, list)
    return (
        said.get("object") == "error"
        or said.get("type") == "error"
        or said.get("success") is False
        or any(isinstance(code, int) and code >= 400 for code in _codes(said))
    )


def is_success(said: Mapping[str, Any]) -> bool:
    """Whether words without an answer say that all is well."""
    return said.get("success") is True or any(code in {0, "0", 200, "200"} for code in _codes(said))


def _codes(said: Mapping[str, Any]) -> list[int | str]:
    codes = [said.get(name) for name in ("code", "status", "status_code", "error_code")]
    codes += [inner.get("status_code") for inner in (said.get("base_resp"),) if isinstance(inner, Mapping)]
    return [code for code in codes if isinstance(code, int | str) and not isinstance(code, bool)]
