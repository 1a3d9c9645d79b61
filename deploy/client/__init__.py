"""
A client of Headrace's native API, in asyncio:

    async with HeadraceClient("http://127.0.0.1:8000") as client:
        async for event in client.start("What is a headrace?"):
            if isinstance(event, Chunk):
                print(event.text, end="")

Its name is `headrace`, in a wheel as in a checkout. A wheel puts no other name into a project: what runs
gateways and workers lies in a folder of its own, which `headrace.__main__` alone looks into.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .attachments import Attachment
    from .client import HeadraceClient
    from .errors import HeadraceError
    from .events import (
        Chunk,
        Ended,
        Event,
        Failed,
        Interrupted,
        Part,
        Queued,
        Reasoning,
        Reset,
        Started,
        ToolCall,
    )
    from .reply import Reply
    from .room import Room
    from .room_events import RoomEvent

__all__ = [
    "Attachment",
    "Chunk",
    "Ended",
    "Event",
    "Failed",
    "HeadraceClient",
    "HeadraceError",
    "Interrupted",
    "Part",
    "Queued",
    "Reasoning",
    "Reply",
    "Reset",
    "Room",
    "RoomEvent",
    "Started",
    "ToolCall",
]

#: Where each is, imported when it is first asked for. What they need takes a second, in which Ctrl-C would
#: break off the `headrace` command with a traceback.
_HOMES = {
    "Attachment": "attachments",
    "Chunk": "events",
    "Ended": "events",
    "Event": "events",
    "Failed": "events",
    "HeadraceClient": "client",
    "HeadraceError": "errors",
    "Interrupted": "events",
    "Part": "events",
    "Queued": "events",
    "Reasoning": "events",
    "Reply": "reply",
    "Reset": "events",
    "Room": "room",
    "RoomEvent": "room_events",
    "Started": "events",
    "ToolCall": "events",
}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name in _HOMES:
            return getattr(import_module(f".{_HOMES[name]}", __name__), name)
        if name in _HOMES.values():
            return import_module(f".{name}", __name__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
