"""A Redis of the user's own, instead of the embedded broker."""

from redis.asyncio import Redis
from redis.exceptions import RedisError

from deploy.up.options import CannotStart

_REDIS_TIMEOUT_S = 5.0


async def reach(url: str) -> None:
    """Raises `CannotStart` where nobody answers at *url*."""
    try:
        client = Redis.from_url(url, socket_connect_timeout=_REDIS_TIMEOUT_S, socket_timeout=_REDIS_TIMEOUT_S)
    except ValueError as error:
        raise CannotStart(f"--redis: {error}") from error
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        raise CannotStart(f"cannot reach the Redis given with --redis: {error}") from error
    finally:
        await client.aclose()
