"""A model that `headrace up` serves itself: its file, and what its server and the workers are told of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Brings a third of what `headrace` imports to begin with.
    from shared.upstream import Ability

#: What requests call it, whichever it is.
NAME = "local"


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """The defaults are those of a file that nothing is known of: it is believed what the file says itself."""

    file: Path
    title: str
    #: Whether it is good for trying Headrace out, and for nothing beyond.
    toy: bool = False
    #: The Jinja template that turns a conversation into text; else the file's own.
    template: str | None = None
    #: Whether it can go on from a text that breaks off. Templates that open with reasoning cannot.
    can_continue: bool = False
    cannot: "tuple[Ability, ...]" = ("pictures", "sounds", "files")
    max_tokens: int = 1024
    #: Of the conversation, by our own rough count; the rest of the context is the answer's, and room
    #: for languages that take more tokens a character.
    max_conversation_tokens: int = 2000
    parameters: Mapping[str, Any] = field(default_factory=dict)
