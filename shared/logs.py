"""How both processes log: structlog over the standard library, one line an occurrence, never a secret."""

import logging
import sys

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from structlog.typing import Processor

from shared.settings import Settings


def configure(settings: Settings) -> None:
    """Send everything, the libraries' lines included, to stderr in the chosen format."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=settings.log_level.upper(), force=True)
    # arq speaks of every job; ours are counted instead.
    logging.getLogger("arq").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    # It repeats what a WebSocket's client offers, where browsers have nowhere else to put a key.
    logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)
    logging.getLogger("aiohttp.server").addFilter(_shorten_bad_requests)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def begin(**facts: str | int | None) -> None:
    """What every line of this task says from now on, and no longer what it said before."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**{name: fact for name, fact in facts.items() if fact})


def also(**facts: str) -> None:
    """And this, too."""
    structlog.contextvars.bind_contextvars(**facts)


def _shorten_bad_requests(record: logging.LogRecord) -> bool:
    """Bytes that are no HTTP are their sender's fault: one short line, without what strangers wrote."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.msg, record.args = "refused what is no HTTP: %s", (type(error).__name__,)
        record.exc_info = None
    return True
