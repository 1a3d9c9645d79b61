"""
What is inside, as CycloneDX 1.6: what the wheel or the npm package bundles, needs, and fetches.

Made from what package managers have noted: vite's list of bundled packages, the metadata of installed
distributions, and the catalogue of models.
"""

import json
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from packaging.requirements import Requirement

from deploy.model import catalogue
from shared.build import Source

Component = dict[str, Any]

#: Extras of what users install; the others are for a checkout.
_EXTRAS = ("", "local")
#: Distributions' own words for what SPDX calls otherwise.
_SPDX = {
    "MIT License": "MIT",
    "MIT license": "MIT",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
}


def of_wheel(version: str, source: Source, page: Path) -> dict[str, Any]:
    """Of the wheel: the *page*'s packages inside it, Python's that it needs, the models that it fetches."""
    parts = [*bundled(page / "licences.json"), *needed("headrace"), *models()]
    return _document(f"pkg:pypi/headrace@{version}", version, source, parts)


def of_npm(version: str, source: Source, lib: Path, lock: dict[str, Any]) -> dict[str, Any]:
    """Of the npm package: what is bundled in *lib*, and what npm installs beside it, as the *lock* has it."""
    inside = bundled(lib / "licences.json")
    packages = lock["packages"]
    asked = [
        _npm(
            name,
            packages[f"node_modules/{name}"]["version"],
            packages[f"node_modules/{name}"]["license"],
            scope,
        )
        for field, scope in (("dependencies", "required"), ("peerDependencies", "optional"))
        for name in packages[""].get(field, {})
    ]
    return _document(f"pkg:npm/headrace@{version}", version, source, [*inside, *asked])


def bundled(licences: Path) -> Iterator[Component]:
    """The npm packages of which something is in a bundle, as vite lists them."""
    for found in json.loads(licences.read_text()):
        yield _npm(found["name"], found["version"], found["identifier"], scope="required")


def needed(name: str) -> Iterator[Component]:
    """The distributions that *name* needs, and those that they need; what an extra brings is optional."""
    seen: set[str] = set()
    todo = [(requirement, False) for requirement in _requirements(distribution(name), _EXTRAS[0])]
    todo += [(requirement, True) for requirement in _requirements(distribution(name), _EXTRAS[1])]
    while todo:
        requirement, optional = todo.pop(0)
        found = distribution(requirement.name)
        key = found.metadata["Name"].lower().replace("_", "-")
        if key not in seen:
            seen.add(key)
            scope = "optional" if optional else "required"
            yield _component("library", f"pkg:pypi/{key}@{found.version}", scope, _licence(found))
        for extra in ("", *requirement.extras):
            for inner in _requirements(found, extra):
                if inner.name.lower().replace("_", "-") not in seen:
                    todo.append((inner, optional))


def models() -> Iterator[Component]:
    """Those that `headrace up` may fetch."""
    for weights in catalogue.ALL:
        yield {
            **_component(
                "machine-learning-model", f"pkg:generic/{quote(weights.file)}", "optional", weights.licence
            ),
            "hashes": [{"alg": "SHA-256", "content": weights.sha256}],
        }


def licences(document: dict[str, Any]) -> str:
    """A line for each component: what it is, and under which licence."""
    lines = [f"{part['purl']}: {_said(part)}" for part in document["components"]]
    return "\n".join(sorted(lines)) + "\n"


def _document(purl: str, version: str, source: Source, parts: list[Component]) -> dict[str, Any]:
    parts = sorted({part["bom-ref"]: part for part in parts}.values(), key=lambda part: part["bom-ref"])
    root = {
        "type": "application",
        "bom-ref": purl,
        "name": "headrace",
        "version": version,
        "purl": purl,
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # The same of the same commit.
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, f'{purl}?commit={source.commit}')}",
        "version": 1,
        "metadata": {"timestamp": source.committed_at, "component": root},
        "components": parts,
        "dependencies": [{"ref": purl, "dependsOn": [part["bom-ref"] for part in parts]}],
    }


def _npm(name: str, version: str, licence: str | None, scope: str) -> Component:
    return _component("library", f"pkg:npm/{quote(name, safe='/')}@{quote(version)}", scope, licence)


def _component(kind: str, purl: str, scope: str, licence: str | None) -> Component:
    path, _, version = purl.removeprefix("pkg:").partition("/")[2].rpartition("@")
    name = path or version
    part = {"type": kind, "bom-ref": purl, "name": name.replace("%40", "@"), "purl": purl, "scope": scope}
    if path:
        part["version"] = version
    return part | ({"licenses": [_licensed(licence)]} if licence else {})


def _licensed(licence: str) -> dict[str, Any]:
    if any(word in licence for word in (" AND ", " OR ", " WITH ")):
        return {"expression": licence}
    name = _SPDX.get(licence, licence)
    return {"license": {"name": name} if " " in name else {"id": name}}


def _said(part: Component) -> str:
    for choice in part.get("licenses", []):
        said = choice.get("expression") or choice["license"].get("id") or choice["license"]["name"]
        return str(said)
    return "said by its package alone"


def _licence(found: Distribution) -> str | None:
    metadata = found.metadata
    if "License-Expression" in metadata:
        return metadata["License-Expression"]
    said = (metadata["License"] or "").strip() if "License" in metadata else ""
    if said and "\n" not in said and len(said) < 60:
        return said
    classified = [line for line in metadata.get_all("Classifier") or [] if line.startswith("License :: ")]
    return classified[0].rpartition(" :: ")[2] if classified else None


def _requirements(found: Distribution, extra: str) -> list[Requirement]:
    """What it needs here for *extra* alone; '' for what it needs in any case."""
    asked = []
    for each in map(Requirement, found.requires or []):
        of_extra = each.marker is not None and "extra" in str(each.marker)
        if of_extra == bool(extra) and (each.marker is None or each.marker.evaluate({"extra": extra})):
            asked.append(each)
    return asked
