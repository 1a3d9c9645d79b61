"""A request for a message: what it may say, and the generation that it asks for."""

from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.dialects.anthropic.content import InputMessage, chat_messages
from gateway.dialects.anthropic.frames import MESSAGES
from gateway.dialects.anthropic.message import Options
from gateway.dialects.anthropic.tools import ToolChoice, parameters
from gateway.edge.access import known_model
from gateway.edge.body import read_body
from gateway.edge.state import STATE
from gateway.edge.submission import submission
from shared.errors import InvalidRequest, ModelNotFound, UnknownModel
from shared.generation import OnDisconnect, Request, Submission
from shared.messages import joined, prompt_tokens

_Object = dict[str, Any]

#: What the API has been called so far that we speak.
_VERSIONS = frozenset({"2026-10-21", "2023-06-01", "2023-01-01"})
#: From so many tokens of thinking on, how much effort that is in OpenAI's words.
_EFFORTS = ((16_000, "high"), (4_000, "medium"), (0, "low"))
_MOST_EFFORT = {"xhigh": "high", "max": "high"}


class Thinking(msgspec.Struct, frozen=True, omit_defaults=True):
    """`thinking`: whether reasoning is to be told, and how much of it there may be."""

    type: Literal["enabled", "adaptive", "between_tools", "disabled"]
    budget_tokens: int | None = None
    display: Literal["summarized", "omitted"] | None = None

    @property
    def is_told(self) -> bool:
        """Whether its client wants to read it."""
        return self.type != "disabled" and self.display != "omitted"


class OutputFormat(msgspec.Struct, frozen=True, omit_defaults=True):
    """`output_config.format`"""

    type: Literal["json_schema"]
    schema: _Object


class OutputConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`output_config`: the answer's format, and the effort it is worth."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: OutputFormat | None = None


class _Conversation(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True
):
    messages: Annotated[list[InputMessage], Meta(min_length=1)]
    model: str | None = None
    system: str | list[_Object] | None = None
    tools: list[_Object] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None
    #: Hints, which change nothing here.
    cache_control: _Object | None = None
    context_management: _Object | None = None
    speed: Literal["standard", "fast"] | None = None


class CountRequest(_Conversation, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """`POST /v1/messages/count_tokens`"""


class MessagesRequest(
    _Conversation, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True
):
    """`POST /v1/messages`"""

    max_tokens: Annotated[int, Meta(ge=1, le=1_000_000)]
    stream: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    #: Where the model's entry in `models.toml` accepts it.
    top_k: Annotated[int, Meta(ge=0)] | None = None
    stop_sequences: list[str] | None = None
    #: Not Anthropic's: whether the answer is made to its end when nobody reads it any more.
    on_disconnect: OnDisconnect = "cancel"
    #: Hints, which change nothing here.
    metadata: _Object | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    diagnostics: _Object | None = None
    inference_geo: str | None = None


async def read(request: web.Request, kind: type[msgspec.Struct]) -> Any:
    """The body as *kind*, from a client that speaks our version. Raises `InvalidRequest`."""
    version = request.headers.get("anthropic-version")
    if version is not None and version not in _VERSIONS:
        raise InvalidRequest(
            f"{version[:40]!r} is no version of this API; there is 2026-10-21.", field="anthropic-version"
        )
    return await read_body(request, kind)


def asked_of(request: web.Request, body: _Conversation) -> tuple[str, list[_Object], _Object]:
    """The model, its messages and its parameters, as OpenAI's chat writes them."""
    state = request.app[STATE]
    try:
        model = known_model(state, body.model)
    except UnknownModel as error:
        raise ModelNotFound(error.message, field="model") from error
    messages = joined(chat_messages(body.system, body.messages))
    if all(message["role"] == "system" for message in messages):
        raise InvalidRequest("`messages` say nothing.", field="messages")
    said = parameters(body.tools, body.tool_choice) | _thinking(body)
    form = body.output_format
    if body.output_config is not None and body.output_config.format is not None:
        form = body.output_config.format
    if form is not None:
        schema = {"name": "answer", "schema": form.schema, "strict": True}
        said["response_format"] = {"type": "json_schema", "json_schema": schema}
    return model, messages, said


def submission_of(request: web.Request, body: MessagesRequest) -> Submission:
    """The generation that *body* asks for."""
    model, messages, said = asked_of(request, body)
    if body.top_k is not None and "top_k" not in request.app[STATE].models.serving(model).accepts:
        raise InvalidRequest(f"`top_k` is not supported by this server's {model}.", field="top_k")
    passed_on = {
        "temperature": body.temperature,
        "top_p": body.top_p,
        "top_k": body.top_k,
        "stop": body.stop_sequences or None,
    }
    return submission(
        request,
        body,
        MESSAGES,
        model=model,
        asked=Request(
            messages=messages,
            max_tokens=body.max_tokens,
            parameters=said | {name: value for name, value in passed_on.items() if value is not None},
        ),
        options=Options(
            input_tokens=prompt_tokens(messages, said.get("tools")),
            thinking=body.thinking is not None and body.thinking.is_told,
            stop_sequences=body.stop_sequences or [],
        ),
        on_disconnect=body.on_disconnect,
    )


def _thinking(body: _Conversation) -> _Object:
    """The effort of reasoning, as chat writes it; a budget is no limit there."""
    if body.output_config is not None and (effort := body.output_config.effort) is not None:
        return {"reasoning_effort": _MOST_EFFORT.get(effort, effort)}
    if body.thinking is None or body.thinking.budget_tokens is None or body.thinking.type == "disabled":
        return {}
    budget = body.thinking.budget_tokens
    return {"reasoning_effort": next(effort for least, effort in _EFFORTS if budget >= least)}
