"""`deploy/SETTINGS.md` says what the code says, and its sample is a models.toml."""

import re

from deploy import settings_page
from shared.models import Model, SpeechServer, load
from shared.settings import Settings
from shared.upstream import Prices, UpstreamEntry


def test_it_is_up_to_date() -> None:
    """`make settings` would change nothing."""
    assert settings_page.PAGE.read_text() == settings_page.page(), "run: make settings"


def test_every_setting_is_there() -> None:
    """Each variable, and each key of a model, an upstream and prices, has a row that says what it means."""
    rows = re.findall(
        r"^\| `(\w+)` \| [^|]+ \| [^|]* \| [^|]* \| .{10,} \|$", settings_page.page(), re.MULTILINE
    )
    variables = [f"HEADRACE_{name.upper()}" for name in Settings.model_fields]
    keys = [
        field for kind in (Model, UpstreamEntry, SpeechServer, Prices) for field in kind.__struct_fields__
    ]
    assert sorted(rows) == sorted(variables + keys)


def test_the_sample_loads() -> None:
    """The sample is a models.toml as gateways and workers read it."""
    models = load(settings_page.SAMPLE)
    assert models.default == "small"
    assert {model.backend for model in models.by_name.values()} == {"openai_compatible", "scripted"}
