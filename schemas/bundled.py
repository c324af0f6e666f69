"""The schemas that come with the program: the current ones, and every version that was ever published, with its fixed id.

Decides: where the files are and that the published ones are still what they were: `history/ids.json` keeps a fingerprint of each.
They are read through importlib.resources, so an installed wheel has them. Leaves to others: what they mean (schemas.model), who may read what
(schemas.compatibility).
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.abc import Traversable
from importlib.resources import files
from typing import Any, NamedTuple

from schemas.errors import RegistryRefused

NAMESPACE = "qts."


class Version(NamedTuple):
    """One published version of a schema."""

    id: int
    name: str
    version: int
    fingerprint: str
    text: str


class Bundle(NamedTuple):
    """Current schemas by record name (without namespace), and all published versions by id."""

    current: Mapping[str, str]
    history: Mapping[int, Version]

    def newest(self, name: str) -> Version | None:
        """Give the newest published version of a schema."""
        versions = [entry for entry in self.history.values() if entry.name == name]
        return max(versions, key=lambda entry: entry.version, default=None)


@cache
def bundled() -> Bundle:
    """Give the set this program came with."""
    bundle = load_bundle(files(__package__ or "schemas"))
    for entry in altered(bundle):
        raise RegistryRefused(f"schemas/history/{entry.name}/{entry.version}.avsc was changed after it was published")
    return bundle


def load_bundle(root: Traversable) -> Bundle:
    """Read a set: avro/*.avsc, and history/ids.json with the files it names. RegistryRefused where the table contradicts itself."""
    avro, history = root.joinpath("avro"), root.joinpath("history")
    current = {
        entry.name.removesuffix(".avsc"): entry.read_text(encoding="utf-8")
        for entry in sorted(avro.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".avsc")
    }
    table = history.joinpath("ids.json")
    rows = json.loads(table.read_text(encoding="utf-8"))["schemas"] if table.is_file() else []
    versions = [_version(history, row) for row in rows]
    if len({entry.id for entry in versions}) != len(versions) or len({(entry.name, entry.version) for entry in versions}) != len(
        versions
    ):
        raise RegistryRefused("schemas/history/ids.json gives an id or a version twice")
    return Bundle(current, {entry.id: entry for entry in versions})


def altered(bundle: Bundle) -> list[Version]:
    """Tell which published versions are no longer what was published."""
    return [entry for entry in bundle.history.values() if fingerprint(entry.text) != entry.fingerprint]


def fingerprint(text: str) -> str:
    """Hash what a schema says, documentation included, however it is laid out."""
    return hashlib.sha256(json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def same_meaning(one: str, other: str) -> bool:
    """Tell whether two schemas differ in nothing but documentation and layout."""
    return bool(_without_doc(json.loads(one)) == _without_doc(json.loads(other)))


def essence(text: str) -> str:
    """Write a schema without documentation and layout: what a tape carries of it, a third of the bytes. What is not JSON stays as it is."""
    try:
        return json.dumps(_without_doc(json.loads(text)), separators=(",", ":"))
    except ValueError:
        return text


def _version(history: Traversable, row: dict[str, Any]) -> Version:
    text = history.joinpath(row["name"], f"{row['version']}.avsc").read_text(encoding="utf-8")
    return Version(row["id"], row["name"], row["version"], row["fingerprint"], text)


def _without_doc(raw: Any) -> Any:
    if isinstance(raw, dict):
        return {key: value if key == "default" else _without_doc(value) for key, value in raw.items() if key != "doc"}
    return [_without_doc(item) for item in raw] if isinstance(raw, list) else raw
