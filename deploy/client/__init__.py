"""
A client of Headrace's native API, in asyncio:

    async with HeadraceClient("http://127.0.0.1:8000") as client:
        async for event in client.start("What is a headrace?"):
            if isinstance(event, Chunk):
                print(event.text, end="")

Its name is `headrace`, in a wheel as in a checkout. A wheel puts no other name into a project: what runs
gateways and workers lies in a folder of its own, which `headrace.__main__` alone looks into.
"""

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
