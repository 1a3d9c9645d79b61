"""A program that plays sound, if there is one: samples go in as they come."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress

_PLAYERS = {
    "aplay": ("-q", "-t", "raw", "-f", "S16_LE", "-r", "24000", "-c", "1", "-"),
    "paplay": ("--raw", "--format=s16le", "--rate=24000", "--channels=1"),
    "pw-cat": ("--playback", "--format=s16", "--rate=24000", "--channels=1", "-"),
    "play": ("-q", "-t", "raw", "-e", "signed", "-b", "16", "-r", "24000", "-c", "1", "-"),
    "ffplay": ("-nodisp", "-autoexit", "-loglevel", "quiet", "-f", "s16le", "-ar", "24000", "-i", "-"),
}
#: What to say where none is.
MISSING = f"nothing here plays sound: install one of {', '.join(_PLAYERS)}"


def command() -> tuple[str, ...] | None:
    """How it is started; None where there is none."""
    for name, options in _PLAYERS.items():
        if found := shutil.which(name):
            return (found, *options)
    return None


async def play(samples: AsyncIterator[bytes], started: tuple[str, ...]) -> int:
    """
    Play 16-bit *samples* of one channel, 24,000 a second; gives the player's exit status, not 0 where it
    could not. Cancelled, or where *samples* fail, it is silent at once. Raises `OSError` where it does not
    start.
    """
    player = await asyncio.create_subprocess_exec(
        *started,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        if player.stdin is not None:
            with suppress(BrokenPipeError, ConnectionResetError):
                async for data in samples:
                    player.stdin.write(data)
                    await player.stdin.drain()
            player.stdin.close()
        return await player.wait()
    finally:
        if player.returncode is None:
            with suppress(ProcessLookupError):
                player.kill()
            await player.wait()
