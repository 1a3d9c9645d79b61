"""`headrace keys`, `tenants` and `usage`: what is kept of them, straight from the broker."""

from typing import Any, Literal

import msgspec
from cyclopts import App

from deploy.keys.books import Books, checked, fail, id_of, moment, note, print_table, with_books
from deploy.keys.options import Duration, LimitOptions, Listed

keys_app = App(name="keys", help="API keys: make, list, rotate and revoke them.")
tenants_app = App(name="tenants", help="Tenants: their limits, and their weight in a queue.")

_NO_LIMITS = LimitOptions()


@keys_app.command
def create(
    *,
    tenant: str,
    user: str | None = None,
    scopes: Listed = ("chat", "read"),
    expires: Duration | None = None,
    label: str = "",
    acts_for_users: Literal["trusted", "signed"] | None = None,
    priority: Literal["interactive", "background"] = "interactive",
    takes_over_env: str | None = None,
    limits: LimitOptions = _NO_LIMITS,
    redis: str | None = None,
) -> None:
    """Make a key and print it, alone and this once, on standard output.

    Parameters
    ----------
    tenant
        Who pays.
    user
        Whose conversations they are; keys of a tenant that name nobody share theirs.
    scopes
        What it may do: chat, read, admin; comma-separated.
    expires
        After how long it opens nothing any more, such as 30d.
    label
        What to call it.
    acts_for_users
        It is an application's: each request names its user in X-Headrace-User, on its word or signed.
    priority
        What it asks for in the background comes after all that somebody waits for.
    takes_over_env
        The environment variable with a key of HEADRACE_API_KEYS whose conversations become this user's.
    redis
        The broker [default: HEADRACE_REDIS_URL, or that of a `headrace up` in this folder].
    """
    import os

    from shared.api_keys import Wanted

    if user == "":
        fail("--user is empty: whoever it was meant for, this would be a key that names nobody")
    wanted = checked(
        lambda: Wanted(
            tenant=tenant,
            user=user or "",
            scopes=scopes,  # type: ignore[arg-type]
            expires_s=expires,
            label=label,
            acts_for=acts_for_users,
            priority=priority,
            limits=limits.limits(),
        )
    )
    taken = None
    if takes_over_env is not None:
        taken = os.environ.get(takes_over_env) or fail(f"{takes_over_env} is not set")

    async def make(books: Books) -> tuple[Any, str]:
        key, plain = await books.keys.create(wanted, "command line", taken)
        books.audit.note("key_created", key=key.id, tenant=key.tenant, user=key.user, by="command line")
        return key, plain

    key, plain = with_books(redis, make)
    note(f"key {key.id} of tenant {key.tenant}; it will not be shown again")
    print(plain)


@keys_app.command(name="list")
def list_keys(*, tenant: str | None = None, json: bool = False, redis: str | None = None) -> None:
    """Show all keys, or a tenant's; never their secrets.

    Parameters
    ----------
    tenant
        Only this one's.
    json
        As JSON, with all that is kept.
    redis
        The broker [default: HEADRACE_REDIS_URL, or that of a `headrace up` in this folder].
    """
    from shared.api_keys import shown

    found = with_books(redis, lambda books: books.keys.listed(tenant))
    if json:
        print(msgspec.json.format(msgspec.json.encode([shown(key) for key in found])).decode())
        return
    rows = [("id", "tenant", "user", "scopes", "status", "expires", "last used", "label")]
    for key in found:
        user = key.user or (f"({key.acts_for})" if key.acts_for else "-")
        rows.append(
            (
                *(key.id, key.tenant, user, ",".join(key.scopes), key.status),
                *(moment(key.expires_ms), moment(key.last_used_ms), key.label or "-"),
            )
        )
    print_table(rows)


@keys_app.command
def rotate(key_id: str, /, *, overlap: Duration = 86400, redis: str | None = None) -> None:
    """Give a key a new secret and print it; the old one opens as before until the overlap ends.

    Parameters
    ----------
    key_id
        The key's id.
    overlap
        How long the old secret still opens, such as 24h; 0s ends it at once.
    redis
        The broker [default: HEADRACE_REDIS_URL, or that of a `headrace up` in this folder].
    """

    async def turn(books: Books) -> tuple[Any, str]:
        key, plain = await books.keys.rotate(id_of(key_id), overlap)
        books.audit.note("key_rotated", key=key.id, tenant=key.tenant, by="command line")
        return key, plain

    _, plain = with_books(redis, turn)
    print(plain)


@keys_app.command
def revoke(key_id: str, /, *, redis: str | None = None) -> None:
    """Let a key open nothing any more, at any gateway, within HEADRACE_KEY_CACHE_S seconds.

    Parameters
    ----------
    key_id
        The key's id.
    redis
        The broker [default: HEADRACE_REDIS_URL, or that of a `headrace up` in this folder].
    """

    async def end(books: Books) -> None:
        key = await books.keys.revoke(id_of(key_id))
        books.audit.note("key_revoked", key=key.id, tenant=key.tenant, by="command line")

    with_books(redis, end)
    note(f"key {id_of(key_id)} is revoked")


@tenants_app.command(name="set")
def set_tenant(
    tenant: str,
    /,
    *,
    weight: float | None = None,
    limits: LimitOptions = _NO_LIMITS,
    redis: str | None = None,
) -> None:
    """Set a tenant's limits, all anew, and its weight.

    Parameters
    ----------
    tenant
        Its name.
    weight
        How much of a busy queue is its own, beside others' 1.
    redis
        The broker [default: HEADRACE_REDIS_URL, or that of a `headrace up` in this folder].
    """
    chosen = checked(limits.limits)
    if weight is not None and chosen == type(chosen)():
        chosen = None
    with_books(redis, lambda books: books.tenants.change(tenant, limits=chosen, weight=weight))


@tenants_app.command(name="show")
def show_tenant(tenant: str, /, *, redis: str | None = None) -> None:
    """Show a tenant's limits and weight as JSON.

    Parameters
    ----------
    tenant
        Its name.
    redis
        The broker [default: HEADRACE_REDIS_URL, or that of a `headrace up` in this folder].
    """
    found = with_books(redis, lambda books: books.tenants.load(tenant))
    told = {"name": found.name, "weight": found.weight, "limits": found.limits}
    print(msgspec.json.format(msgspec.json.encode(told)).decode())


def usage(*, tenant: str, json: bool = False, redis: str | None = None) -> None:
    """Show what a tenant and each of its keys have used today and this month (UTC).

    Parameters
    ----------
    tenant
        Its name.
    json
        As JSON.
    redis
        The broker [default: HEADRACE_REDIS_URL, or that of a `headrace up` in this folder].
    """

    async def read(books: Books) -> dict[str, Any]:
        return {level: await books.ledger.used(tenant, level) for level in await books.ledger.levels(tenant)}

    found = with_books(redis, read)
    if json:
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    rows = [("who", "messages", "tokens", "cost", "messages", "tokens", "cost", "under way", "reserved")]
    for level, used in found.items():
        spent = [
            str(cell)
            for one in (used.day, used.month)
            for cell in (one.messages, one.total_tokens, f"{one.cost:.4f}")
        ]
        rows.append((level, *spent, str(used.concurrent), str(used.reserved_tokens)))  # type: ignore[arg-type]
    print("today, then this month; tokens include what replies under way have reserved")
    print_table(rows)
