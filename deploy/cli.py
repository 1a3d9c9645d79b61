"""The `headrace` command. It starts processes and talks to gateways; the work is done elsewhere."""

import asyncio
import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from deploy import operate, programs
from deploy.keys import commands as key_commands
from deploy.model import commands as model_commands
from deploy.numbers import Whole, whole
from shared.build import running

app = App(
    name="headrace",
    help="Chat answers as streams that cannot be lost.",
    version=lambda: str(running()),
    help_format="plaintext",
    # Not `--empty-upstream` beside each option that may be given several times.
    default_parameter=Parameter(negative_iterable=()),
)

app.command(key_commands.keys_app)
app.command(key_commands.tenants_app)
app.command(key_commands.usage)
app.command(model_commands.models)
app.command(model_commands.model)
app.command(operate.top)
app.command(operate.doctor)

Port = Annotated[int | None, Parameter(converter=whole, validator=Number(gte=0, lte=65535))]
Count = Annotated[int, Parameter(converter=whole, validator=Number(gte=1, lte=100))]
#: Beyond these nobody plans, and no figure holds.
Streams = Annotated[int, Parameter(converter=whole, validator=Number(gte=1, lte=1_000_000_000))]
Rate = Annotated[float, Parameter(validator=Number(gte=0.001, lte=10_000))]
Length = Annotated[int, Parameter(converter=whole, validator=Number(gte=1, lte=1_000_000))]


@app.command
def up(
    *,
    host: str | None = None,
    port: Port = None,
    workers: Count = 1,
    gateways: Count = 1,
    redis: str | None = None,
    cluster: Whole | None = None,
    upstream: list[str] | None = None,
    model: str | None = None,
    api_key_env: str | None = None,
    models: Path | None = None,
    model_file: Path | None = None,
    data: Path = Path(".headrace"),
    page: bool = True,
) -> None:
    """Run the whole of Headrace on this machine: broker, model, workers and gateways. Ctrl-C ends it.

    Parameters
    ----------
    host
        Where the gateways listen [default: 127.0.0.1].
    port
        The first gateway's port [default: 8000]; further ones take the following ones, and workers serve
        their metrics from 100 above it. 0 picks free ports.
    workers
        How many worker processes.
    gateways
        How many gateway processes.
    redis
        Use this Redis instead of the embedded one: redis://, rediss:// or unix://.
    cluster
        Run so many embedded brokers as a cluster, each with a replica; 3 or more.
    upstream
        Use this OpenAI-compatible server instead of the embedded model, such as http://host:8080/v1. Given
        several times: those that follow answer, or go on, where the one before fails.
    model
        The servers' name for the model; with --models, the one for requests that name none.
    api_key_env
        The environment variable that holds the upstream's API key.
    models
        A models.toml that says which models there are.
    model_file
        Serve this model, a file in GGUF, instead of the one that comes along.
    data
        Where data, logs and the broker's socket are kept.
    page
        Build the chat page first where its sources have changed.
    """
    from deploy.model import choice
    from deploy.model.fetch import NotFetched
    from deploy.page.page import refresh
    from deploy.up.child import StartFailed
    from deploy.up.data_directory import DataDirectoryUnusable
    from deploy.up.options import CannotStart, Options
    from deploy.up.ports import PortTaken
    from deploy.up.up import check_place, run, say
    from shared.startup import SettingsWrong, read_settings

    listening = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    try:
        settings = read_settings(listening, listens=True, models_needed=False)
        options = Options(
            host=settings.host,
            port=settings.port,
            workers=workers,
            gateways=gateways,
            redis=redis,
            cluster=cluster,
            upstreams=tuple(upstream or ()),
            model=model,
            api_key_env=api_key_env,
            models=models,
            model_file=model_file,
            data=data,
        )
        options.check()
        # Here, where Ctrl-C still is an exception: it ends what is fetched or built, and us.
        embedded = None
        check_place(options, say)
        if options.embeds_model:
            embedded = choice.of_file(model_file) if model_file is not None else choice.chosen(say)
        if page:
            refresh(say)
        stopped_by = asyncio.run(run(options, settings, embedded))
    except KeyboardInterrupt:
        say("headrace: stopped before it was ready; a model on its way is gone on with next time")
        sys.exit(130)
    except SettingsWrong as error:
        sys.exit(str(error))
    except (
        CannotStart,
        NotFetched,
        StartFailed,
        DataDirectoryUnusable,
        PortTaken,
        ValueError,
        OSError,
    ) as error:
        programs.fail(str(error))
    if stopped_by is not None:
        sys.exit(128 + stopped_by)


@app.command
def build() -> None:
    """Build the chat page where its sources have changed; `headrace up` does so by itself."""
    from deploy.page import page

    try:
        page.build(partial(print, flush=True))
    except (page.BuildFailed, page.Unsafe) as error:
        programs.fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


@app.command
def plan(
    *,
    streams: Streams,
    rate: Rate = 20,
    length: Length = 500,
) -> None:
    """Tell how many gateways, workers and brokers so many streams need: see deploy/CAPACITY.md.

    Parameters
    ----------
    streams
        Streams at once, at the busiest time.
    rate
        Deltas, which are tokens mostly, that each gets in a second.
    length
        Deltas of an answer. How long its log and its record are kept is taken from HEADRACE_LOG_RETENTION_S
        and HEADRACE_RECORD_RETENTION_S.
    """
    from deploy.plan import Load, lines
    from shared.startup import SettingsWrong, read_settings

    try:
        settings = read_settings(models_needed=False)
    except SettingsWrong as error:
        sys.exit(str(error))
    kept = settings.log_retention_s, settings.record_retention_s
    print("\n".join(lines(Load(streams, rate, length, *kept))))


@app.command
def gateway(*, host: str | None = None, port: Port = None) -> None:
    """Run one gateway against the Redis of HEADRACE_REDIS_URL and the models of HEADRACE_MODELS.

    Parameters
    ----------
    host
        Where to listen [default: HEADRACE_HOST or 127.0.0.1].
    port
        The port [default: HEADRACE_PORT or 8000].
    """
    if host is not None:
        os.environ["HEADRACE_HOST"] = host
    if port is not None:
        os.environ["HEADRACE_PORT"] = str(port)
    programs.become("gateway")


@app.command
def worker() -> None:
    """Run one worker against the Redis of HEADRACE_REDIS_URL and the models of HEADRACE_MODELS."""
    programs.become("worker")


@app.command
def move(*, source: str, target: str, cells: Whole, source_cells: Whole = 1) -> None:
    """Copy the data of one broker to another, into other cells: the way from one broker to a cluster.

    Gateways and workers must be stopped, and all they had under way must have ended. The source is only read.

    Parameters
    ----------
    source
        The broker that has the data, as HEADRACE_REDIS_URL names it.
    target
        The broker that is to have it, and has nothing yet, such as redis+cluster://host:port,host:port.
    cells
        HEADRACE_CELLS of the target: a power of two, 8 or more for each primary.
    source_cells
        HEADRACE_CELLS of the source.
    """
    from deploy.move import CannotMove
    from deploy.move import move as copy
    from shared.startup import SettingsWrong, read_settings

    try:
        ends = [
            read_settings({"redis_url": url, "cells": count}, models_needed=False)
            for url, count in ((source, source_cells), (target, cells))
        ]
        asyncio.run(copy(ends[0], ends[1], partial(print, flush=True)))
    except SettingsWrong as error:
        sys.exit(str(error))
    except CannotMove as error:
        programs.fail(str(error))
    except KeyboardInterrupt:
        print(
            "headrace: broken off; only a part may be there: empty the target before the next try",
            file=sys.stderr,
        )
        sys.exit(130)


@app.command
def chat(
    message: str | None = None,
    *,
    url: str | None = None,
    conversation: str | None = None,
    model: str | None = None,
    speak: bool = False,
    api_key_env: str = "HEADRACE_API_KEY",
) -> None:
    """Stream the answer to a message to the terminal; without a message, hold a conversation.

    Ctrl-C cancels the answer on the server. A connection that breaks is taken up where it broke.

    Parameters
    ----------
    message
        What to say.
    url
        The gateway's address [default: that of a `headrace up` in this folder, or http://127.0.0.1:8000].
    conversation
        The conversation to go on with; else a new one.
    model
        The model to ask; else the server's default.
    speak
        Read the answer aloud while it is written, where a program is found that plays sound.
    api_key_env
        The environment variable that holds the API key, if the gateway wants one.
    """
    from deploy.up import found
    from headrace.terminal import Chat

    url = url or found.gateways()[0]
    if not url.startswith(("http://", "https://")):
        programs.fail(f"--url must be an http:// or https:// address, not {url!r}")
    key = os.environ.get(api_key_env)
    talk = Chat(url, api_key=key, conversation=conversation, model=model, speak=speak)
    try:
        sys.exit(talk.run(message))
    except BrokenPipeError:
        # Whoever read our output has left; Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
