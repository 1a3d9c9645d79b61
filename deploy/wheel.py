"""
Hatch's hook for the wheel: the client becomes the package `headrace`.

The mapping in pyproject.toml cannot say so, because it takes the shortest of the paths that fit, and an
editable install must not copy what it is to show as it is edited: it has deploy/checkout on its path.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Client(BuildHookInterface[Any]):
    """Used by hatch alone."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Once before each build; *version* is `standard` or `editable`."""
        if version == "standard":
            build_data["force_include"]["deploy/client"] = "headrace"
