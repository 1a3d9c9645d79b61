"""What our processes do alike before they begin: settle what is set, and prepare themselves."""

import gc
import resource
from collections.abc import Callable, Mapping

from pydantic import ValidationError
from redis.asyncio.connection import parse_url

from shared.authority import host_of, is_loopback
from shared.cluster import Cluster, is_cluster
from shared.models import Models, load
from shared.sentinel import Sentinels, is_sentinel
from shared.settings import Settings

#: What may be wrong with the address itself is not repeated: it may hold a password.
_NO_BROKER = "should look like redis://host:port/0, rediss://host:port/0 or unix:///path/to/socket"
_NO_SENTINELS = "should look like redis+sentinel://host:port,host:port/service/0"
_NO_CLUSTER = "should look like redis+cluster://host:port,host:port"
_ONE_CELL = (
    "a cluster spreads cells over its primaries: set 8 or more for each of them, in all a power of two"
)


class SettingsWrong(Exception):
    """Its text is what to say before ending: a line for each, `headrace: HEADRACE_PORT: what is wrong`."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        """*problems* are names of settings, each with what is wrong."""
        super().__init__("\n".join(f"headrace: HEADRACE_{name.upper()}: {what}" for name, what in problems))


def read_settings(
    chosen: Mapping[str, object] | None = None,
    *,
    listens: bool = False,
    models_needed: bool = True,
    unusable: Callable[[Models], list[str]] = lambda known: [],
) -> Settings:
    """
    The environment's settings, *chosen* ones before those. Raises `SettingsWrong` with all that is wrong.

    With *listens*, also whether a gateway may listen there. With *models_needed*, also whether the file
    of models can be read; *unusable* tells what of it cannot be used.
    """
    given = dict(chosen or {})
    problems: list[tuple[str, str]] = []
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        problems = [(str(problem["loc"][0]), problem["msg"]) for problem in error.errors()]
        # What else is wrong is looked for with their defaults in place.
        defaults = {name: Settings.model_fields[name].get_default() for name, _ in problems}
        settings = Settings.model_validate(given | defaults)
    wrong = {name for name, _ in problems}
    problems += _wrong_addresses(settings)
    if listens and not wrong & {"host", "auth", "api_keys", "allow_anonymous"}:
        try:
            settings.refuse_open_door()
        except ValueError as error:
            problems.append(("host", str(error)))
    if listens and not wrong & {"auth"} and not any(name.startswith("oidc") for name in wrong):
        try:
            refuse_half_an_issuer(settings)
        except ValueError as error:
            problems.append(("auth", str(error)))
    if models_needed and "models" not in wrong:
        try:
            problems += [("models", what) for what in unusable(load(settings.models))]
        except ValueError as error:
            problems.append(("models", str(error)))
    if problems:
        raise SettingsWrong(problems)
    return settings


def refuse_half_an_issuer(settings: Settings) -> None:
    """Raises `ValueError` where tokens are asked for that could not be checked."""
    if settings.auth not in {"oidc", "both"}:
        return
    if not (settings.oidc_issuer and settings.oidc_audience):
        raise ValueError("asks for tokens: set HEADRACE_OIDC_ISSUER and HEADRACE_OIDC_AUDIENCE as well")
    for url in filter(None, (settings.oidc_issuer, settings.oidc_jwks_url)):
        scheme, _, rest = url.partition("://")
        host = host_of(rest.partition("/")[0])
        if host is None or not (scheme == "https" or (scheme == "http" and is_loopback(host))):
            raise ValueError(f"asks for tokens of {url!r}, which is no https:// address")


def prepare_process() -> None:
    """Take all file descriptors the system allows, and look for garbage less often."""
    _raise_open_files()
    # Thousands of live coroutines make each full collection cost tens of milliseconds, and reference
    # counting frees nearly everything: measured, the default thresholds took an eighth of the worker.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


def _wrong_addresses(settings: Settings) -> list[tuple[str, str]]:
    problems = []
    for name, host in (("host", settings.host), ("metrics_host", settings.metrics_host)):
        try:
            host.encode("idna")
        except UnicodeError:
            problems.append((name, "is no name and no address of a machine"))
    if settings.cells & (settings.cells - 1):
        problems.append(("cells", "must be a power of two: 1, 2, 4, 8, …"))
    url, shape = settings.redis_url, _NO_BROKER
    try:
        if is_sentinel(url):
            shape = _NO_SENTINELS
            Sentinels(url)
        elif is_cluster(url):
            shape = _NO_CLUSTER
            Cluster(url, [])
            if settings.cells == 1:
                problems.append(("cells", _ONE_CELL))
        else:
            parse_url(url)
    except ValueError:
        problems.append(("redis_url", shape))
    return problems


def _raise_open_files() -> None:
    # Every stream holds a socket.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS says infinity and means this.
    most = 10_240 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
