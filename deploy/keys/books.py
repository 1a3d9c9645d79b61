"""What `headrace keys`, `tenants` and `usage` share: the broker's books, and how they say what is in them."""

import asyncio
import datetime
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn, TypeVar

_T = TypeVar("_T")


class Books(NamedTuple):
    """What is kept of keys, tenants and their use behind one broker."""

    keys: Any
    tenants: Any
    ledger: Any
    audit: Any


def with_books(redis: str | None, work: Callable[[Books], Coroutine[Any, Any, _T]]) -> _T:
    from deploy.up import found
    from shared.api_keys import ApiKeys
    from shared.audit import Audit
    from shared.broker import Broker
    from shared.errors import BrokerUnavailable, HeadraceError
    from shared.ledger import Ledger
    from shared.logs import configure
    from shared.sealing import Sealing
    from shared.startup import SettingsWrong, read_settings
    from shared.tenants import Tenants

    async def do() -> _T:
        broker = Broker(settings)
        tenants = Tenants(broker)
        try:
            audit = Audit(settings.audit_log, loud=False)
            return await work(
                Books(ApiKeys(broker, Sealing(broker), tenants), tenants, Ledger(broker), audit)
            )
        finally:
            with suppress(OSError):
                await broker.close()

    try:
        # Whoever tries Headrace in a folder means the broker of that.
        chosen = found.settings() if redis is None else {"redis_url": redis}
        settings = read_settings(chosen, models_needed=False)
        configure(settings)
        return asyncio.run(do())
    except SettingsWrong as error:
        sys.exit(str(error))
    except BrokerUnavailable as error:
        what = "name it with --redis or HEADRACE_REDIS_URL, or go to the folder in which `headrace up` runs"
        fail(f"the broker does not answer ({error.__cause__ or 'it is away'}): {what}")
    except HeadraceError as error:
        fail(error.message)
    except KeyboardInterrupt:
        sys.exit(130)


def checked(make: Callable[[], _T]) -> _T:
    try:
        return make()
    except (ValueError, TypeError) as error:
        fail(str(error))


def id_of(key: str) -> str:
    """An id, also where somebody gives more of the key, or all of it."""
    return key.removeprefix("hr_").partition("_")[0]


def moment(ms: int | None) -> str:
    if ms is None:
        return "never"
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.UTC).strftime("%Y-%m-%d %H:%M")


def print_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def note(text: str) -> None:
    print(f"headrace: {text}", file=sys.stderr)


def fail(message: str) -> NoReturn:
    note(message)
    sys.exit(1)
