"""
Everything that can be set, read once from `HEADRACE_…` environment variables.

Units are in the names. A value that cannot be is refused at start-up, by name. The comment above a setting is
its description in deploy/SETTINGS.md, which `make settings` writes.
"""

from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from shared import setting_checks as checks
from shared.authority import host_of, origin_of
from shared.setting_checks import Network, listed
from shared.speech_settings import SpeechSettings


class Settings(SpeechSettings):
    """One frozen object for gateway and worker alike."""

    model_config = SettingsConfigDict(
        env_prefix="HEADRACE_", frozen=True, extra="ignore", allow_inf_nan=False
    )

    # Gateway and worker

    #: `redis://`, `rediss://`, `unix://`, `redis+sentinel://host:port,…/service/0`, `redis+cluster://host:port,…`.
    redis_url: str = "redis://127.0.0.1:6379/0"
    #: Parts of the data that each live on one primary of a cluster: a power of two, 8 or more for each.
    #: Fixed for the life of the data.
    cells: int = Field(1, ge=1, le=4096)
    #: A TOML file that names the models; without it there are none.
    models: Path | None = None
    #: Replicas that must have a generation's beginning and its end before either is confirmed. Without any,
    #: a failover can lose what the old primary had accepted within its last moments.
    min_replicas: int = Field(0, ge=0)
    #: How long to wait for them; then the generation goes on without.
    replication_timeout_s: float = Field(1, gt=0)
    #: Lines of less weight are left out.
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    #: For people, or a JSON object a line.
    log_format: Literal["console", "json"] = "console"
    #: Trace by OpenTelemetry (the extra `otel`), and send it by OTLP over HTTP to where the variables of
    #: OpenTelemetry's own say: `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_TRACES_SAMPLER` and so on.
    otel: bool = False
    #: Tell in traces what is asked and answered, too.
    otel_content: bool = False

    # Gateway

    #: The address to listen on. Beyond loopback a gateway needs API keys, or `HEADRACE_ALLOW_ANONYMOUS`.
    host: str = "127.0.0.1"
    #: The port to listen on; 0 picks a free one.
    port: int = Field(8000, ge=0, le=65535)
    #: What is asked for: nothing (`none`, on loopback alone), API keys (`keys`), tokens of
    #: `HEADRACE_OIDC_ISSUER` (`oidc`), or either (`both`). Unset: keys where `HEADRACE_API_KEYS` has some,
    #: else nothing.
    auth: Literal["none", "keys", "oidc", "both"] | None = None
    #: Comma-separated keys; a client sends one as `Authorization: Bearer <key>`. The simplest form: keys that
    #: can expire, be revoked and have limits are made with `headrace keys create`.
    api_keys: SecretStr = SecretStr("")
    #: Seals API keys and signs tokens; the same for all gateways and for `headrace keys`. Of several,
    #: comma-separated, the first is used and the others are still understood. Unset, one is made and kept in
    #: the broker.
    secret: SecretStr = SecretStr("")
    #: How long a gateway goes by what it has read of an API key or a session: a revocation takes as long.
    key_cache_s: float = Field(2, gt=0, le=60)
    #: What an address without a key may ask for in a minute; 0 for any number. Unset: 10, on loopback any.
    anonymous_requests_per_minute: int | None = Field(None, ge=0)
    #: Whose tokens are taken (OpenID Connect), such as `https://id.example.org`: the `iss` that they must
    #: have.
    oidc_issuer: str = ""
    #: Whom they must be for: the `aud` that they must have.
    oidc_audience: str = ""
    #: Where the issuer's public keys are; unset, where its `/.well-known/openid-configuration` says.
    oidc_jwks_url: str = ""
    #: The algorithms that they may be signed with, comma-separated.
    oidc_algorithms: str = "RS256,PS256,ES256,EdDSA"
    #: By how much the issuer's clock may differ from ours.
    oidc_leeway_s: int = Field(60, ge=0, le=600)
    #: The claim that names the user.
    oidc_user_claim: str = "sub"
    #: The claim that names the tenant; unset, all are of `HEADRACE_OIDC_TENANT`.
    oidc_tenant_claim: str = ""
    #: The tenant of all tokens, where no claim names it.
    oidc_tenant: str = "default"
    #: The claim that lists scopes (`chat`, `read`, `admin`, or `headrace:chat`); unset, all but `admin`.
    oidc_scopes_claim: str = ""
    #: The page's own name at the issuer, for people who sign in there (code flow with PKCE); unset, they
    #: cannot.
    oidc_client_id: str = ""
    #: Its secret, where the issuer wants one.
    oidc_client_secret: SecretStr = SecretStr("")
    #: How long the page remembers who signed in.
    session_s: int = Field(12 * 3600, gt=0)
    #: How long on a device that is to be remembered.
    session_remembered_s: int = Field(30 * 24 * 3600, gt=0)
    #: A file to which it is written who made, used, rotated, revoked or exceeded what, as JSON lines; else
    #: the process' own log has it.
    audit_log: Path | None = None
    #: A port for `/metrics` and `/api/admin/…` alone, which are not served beside the rest unless that is
    #: loopback's; 0 picks a free one.
    admin_port: int | None = Field(None, ge=0, le=65535)
    #: The address that this port is opened on.
    admin_host: str = "127.0.0.1"
    #: Listen beyond loopback although there are no API keys.
    allow_anonymous: bool = False
    #: Comma-separated names and addresses under which the gateway is served, beside loopback's and
    #: `HEADRACE_HOST`; `*` for any. Without API keys no other is: a page of any name could read what is here
    #: (DNS rebinding). With keys every name is, unless some are set here.
    hosts: str = ""
    #: Comma-separated addresses and networks (CIDR) of the proxies in front, such as `10.0.0.0/8`: what they
    #: say in `X-Forwarded-For` is whom limits of an address count. Behind a proxy no gateway is loopback's
    #: own. Unset, the header means nothing.
    trusted_proxies: str = ""
    #: Comma-separated origins that browsers may call from, such as `http://localhost:3000`, or `*`.
    cors_origins: str = ""
    #: Whether those browsers may send cookies and the like, as some front ends insist on.
    cors_credentials: bool = False
    #: A larger request body is refused with 413.
    max_body_bytes: int = Field(1_000_000, gt=0)
    #: What a client has for sending a request's headers, counted from its first byte, or from connecting.
    headers_timeout_s: float = Field(10, gt=0)
    #: What it has for the body after them.
    body_timeout_s: float = Field(30, gt=0)
    #: How long a connection is kept for a next request; above what proxies keep theirs (nginx: 60).
    idle_timeout_s: float = Field(75, gt=0)
    #: Connections to one gateway process, streams included; fewer where the system allows fewer open files.
    max_connections: int = Field(24_000, gt=0)
    #: Of them, from one address; of what comes through a trusted proxy, requests of one client at once.
    #: Others behind one proxy share its address, so that the default leaves it room for `max_open_streams`;
    #: lower it where clients connect by themselves or the proxy is trusted.
    max_connections_per_address: int = Field(12_000, gt=0)
    #: A longer message is refused.
    max_message_chars: int = Field(32_000, gt=0)
    #: Open SSE streams in one gateway process; the next one is told to come back.
    max_open_streams: int = Field(10_000, gt=0)
    #: Generations waiting in one queue; the next submission is told to come back.
    max_queued: int = Field(10_000, gt=0)
    #: A submission that would have to wait longer for a worker, by the present pace, is refused with 503 and
    #: the time to come back; half as long in the background. 0 takes any.
    max_wait_s: float = Field(120, ge=0)
    #: Bytes of ready frames kept for one subscriber before it must read from the log.
    subscriber_buffer_bytes: int = Field(256 * 1024, gt=0)
    #: Seconds between comment lines on a silent stream. Idle proxies commonly cut at 60 s;
    #: a quarter of that survives two lost heartbeats.
    heartbeat_s: float = Field(15, gt=0)
    #: What a client is told to wait before it reconnects; drain adds jitter on top.
    retry_ms: int = Field(1000, ge=0)
    #: How long a cancel request waits for the worker's word before it answers `cancelling`.
    cancel_wait_s: float = Field(5, gt=0)
    #: Where the end of each response in the background is told, by POST; nowhere if empty.
    webhook_url: str = ""
    #: The secret that signs it, as `whsec_` and base64; its receiver has the same.
    webhook_secret: SecretStr = Field(SecretStr(""), validate_default=True)
    #: How long to wait before it is told a second time; then twice that, up to an hour, until its record
    #: has expired.
    webhook_retry_s: float = Field(15, gt=0)
    #: A generation whose lease ended this long ago, with no worker to take it, has failed.
    worker_silence_limit_s: float = Field(60, gt=0)
    #: A generation that has waited this long for a worker has failed.
    queue_timeout_s: float = Field(300, gt=0)

    # Worker

    #: The address on which a worker serves `/metrics`, `/livez` and `/readyz`.
    metrics_host: str = "127.0.0.1"
    #: Their port; 0 picks a free one.
    metrics_port: int = Field(0, ge=0, le=65535)
    #: A worker's right to a job lasts this long without renewal.
    lease_s: float = Field(3, gt=0)
    #: How often an idle worker looks at the queue when nothing wakes it.
    poll_s: float = Field(0.5, gt=0)
    #: Workers that may be lost on one generation before it fails.
    max_attempts: int = Field(5, gt=0)
    #: Entries of a room's log that are kept; of a longer one the oldest are let go.
    room_entries: int = Field(20_000, ge=100)
    #: Connections of members that one room may have at one gateway.
    room_members: int = Field(200, ge=1)
    #: Seconds nobody may be watching before a generation with `on_disconnect=cancel` stops.
    abandon_grace_s: float = Field(5, ge=0)
    #: Time between two appends of one worker under load; what gathers meanwhile shares a round trip. The
    #: less there is to share, the shorter; first words and ends do not wait for it.
    append_interval_s: float = Field(0.005, ge=0)
    #: Events of one generation that may wait for the broker before its upstream is paused.
    max_unacknowledged_events: int = Field(2_000, gt=0)
    #: One generation's log may not grow beyond this.
    max_log_bytes: int = Field(16 * 1024 * 1024, gt=0)

    # Gateway and worker

    #: Seconds a stopping process gives what it has under way.
    drain_grace_s: float = Field(20, ge=0)
    #: A running generation's keys live at most this long.
    generation_ttl_s: int = Field(24 * 3600, gt=0)
    #: An ended generation's log can be replayed this long.
    log_retention_s: int = Field(3600, gt=0)
    #: An ended generation's record (state, text, usage) can be read this long.
    record_retention_s: int = Field(24 * 3600, gt=0)
    #: A retried submission is recognised this long.
    idempotency_ttl_s: int = Field(24 * 3600, gt=0)
    #: A conversation that is not used is deleted after this long.
    conversation_ttl_s: int = Field(30 * 24 * 3600, gt=0)
    #: Messages of one conversation; of more, the oldest are dropped.
    max_conversation_messages: int = Field(3_000, gt=0)
    #: Likewise by the size of its messages.
    max_conversation_bytes: int = Field(8 * 1024 * 1024, gt=0)
    #: A larger picture or file in a message is refused; a larger one of a model's reply is not kept.
    max_upload_bytes: int = Field(8 * 1024 * 1024, gt=0)
    #: Bytes of them that are kept for an owner; of more, those that were not needed for longest are let go.
    max_owner_upload_bytes: int = Field(64 * 1024 * 1024, gt=0)
    #: How many conversations an owner may keep; of more, the one that was used least recently is deleted.
    max_conversations: int = Field(1_000, gt=0)

    _hosts = field_validator("hosts")(checks.are_hosts)
    _proxies = field_validator("trusted_proxies")(checks.are_proxies)
    _origins = field_validator("cors_origins")(checks.are_origins)
    _keys = field_validator("api_keys")(checks.are_asked_for)
    _algorithms = field_validator("oidc_algorithms")(checks.are_for_public_keys)
    _webhook = field_validator("webhook_url")(checks.is_http)
    _signature = field_validator("webhook_secret")(checks.signs)
    _credentials = field_validator("cors_credentials")(checks.have_origins)

    def refuse_open_door(self) -> None:
        """Raises `ValueError` where a gateway would let anyone in from beyond this machine."""
        if not (self.on_loopback or self.asks_for_keys or self.allow_anonymous):
            raise ValueError(
                f"will not listen on {self.host} without API keys: set HEADRACE_AUTH=keys or "
                "HEADRACE_API_KEYS, or HEADRACE_ALLOW_ANONYMOUS=1 to let anyone in"
            )

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine reaches a gateway. A proxy beside it would bring others."""
        return self.host in {"127.0.0.1", "::1", "localhost"} and not self.proxy_networks

    @property
    def asks_for(self) -> Literal["none", "keys", "oidc", "both"]:
        """What nobody is let in without."""
        return self.auth or ("keys" if self.keys else "none")

    @property
    def asks_for_keys(self) -> bool:
        """Whether nobody is let in without a key or a token."""
        return self.asks_for != "none"

    @property
    def webhook_key(self) -> str:
        """What signs webhooks."""
        return self.webhook_secret.get_secret_value()

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The API keys, one by one."""
        return listed(self.api_keys.get_secret_value())

    @cached_property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms that tokens may be signed with, one by one."""
        return listed(self.oidc_algorithms)

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """What seals and signs, one by one."""
        return listed(self.secret.get_secret_value())

    @cached_property
    def served_hosts(self) -> tuple[str, ...]:
        """The configured hosts, one by one, without ports."""
        return tuple(host_of(host) or host for host in listed(self.hosts))

    @cached_property
    def proxy_networks(self) -> tuple[Network, ...]:
        """The networks of the proxies in front."""
        return tuple(map(ip_network, listed(self.trusted_proxies)))

    @cached_property
    def origins(self) -> tuple[str, ...]:
        """The origins browsers may call from, one by one."""
        return tuple(origin_of(origin) or origin for origin in listed(self.cors_origins))
