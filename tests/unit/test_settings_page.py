"""`deploy/SETTINGS.md` says what the code says, and its sample is a models.toml."""

import re

import msgspec

from deploy import settings_page
from shared.models import Model, load
from shared.settings import Settings


def test_it_is_up_to_date() -> None:
    """`make settings` would change nothing."""
    assert settings_page.PAGE.read_text() == settings_page.page(), "run: make settings"


def test_every_setting_is_there() -> None:
    """Each variable and each key of a model has a row of its own that says what it means."""
    rows = re.findall(
        r"^\| `(\w+)` \| [^|]+ \| [^|]* \| [^|]* \| .{10,} \|$", settings_page.page(), re.MULTILINE
    )
    variables = [f"HEADRACE_{name.upper()}" for name in Settings.model_fields]
    keys = [field.name for field in msgspec.structs.fields(Model)]
    assert sorted(rows) == sorted(variables + keys)


def test_the_sample_loads() -> None:
    """The sample is a models.toml as gateways and workers read it."""
    models = load(settings_page.SAMPLE)
    assert models.default == "small"
    assert {model.backend for model in models.by_name.values()} == {"openai_compatible", "scripted"}
