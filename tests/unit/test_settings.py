"""Settings: from the environment, checked by name, frozen."""

import pytest
from pydantic import ValidationError

from shared.settings import Settings


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting is `HEADRACE_` and its name."""
    monkeypatch.setenv("HEADRACE_LEASE_S", "1.5")
    monkeypatch.setenv("HEADRACE_MAX_BODY_BYTES", "1234")
    assert (Settings().lease_s, Settings().max_body_bytes) == (1.5, 1234)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("PORT", "70000"),
            ("PORT", "http"),
            ("LEASE_S", "0"),
            ("HEARTBEAT_S", "-1"),
            ("LOG_LEVEL", "loud"),
        ),
        *(("MAX_BODY_BYTES", "0"), ("DRAIN_GRACE_S", "-0.1"), ("LOG_RETENTION_S", "1.5")),
        *(("OIDC_ALGORITHMS", "RS256,HS256"), ("OIDC_ALGORITHMS", "none"), ("TRUSTED_PROXIES", "::/0")),
    ],
)
def test_what_cannot_be(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A value that cannot be is refused with the setting's name."""
    monkeypatch.setenv(f"HEADRACE_{name}", value)
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert [error["loc"] for error in refused.value.errors()] == [(name.lower(),)]


def test_credentials_go_to_origins_that_are_named() -> None:
    """Of a page that anybody may have written, a browser would bring its user's."""
    assert Settings(cors_origins="https://a.example", cors_credentials=True).cors_credentials
    with pytest.raises(ValidationError, match="must name the origins"):
        Settings(cors_origins="*", cors_credentials=True)


def test_frozen() -> None:
    """Settings never change while a process runs."""
    with pytest.raises(ValidationError):
        setattr(Settings(), "port", 1)  # noqa: B010


def test_lists() -> None:
    """Keys and origins are comma-separated; spaces and empty items mean nothing."""
    settings = Settings(api_keys=" a, b,,", cors_origins="")
    assert settings.keys == ("a", "b")
    assert settings.origins == ()


def test_keys_stay_secret() -> None:
    """Settings can be printed without giving keys away."""
    assert "hunter2" not in repr(Settings(api_keys="hunter2"))


def test_retentions_fit_together() -> None:
    """A record outlives its log: after the log has expired, the text is still somewhere."""
    settings = Settings()
    assert settings.log_retention_s <= settings.record_retention_s
