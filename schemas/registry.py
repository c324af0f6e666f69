"""Registries: which schema an id means, and which id a schema of ours is written with.

Decides: the port `Registry`, and three registries that need no network: the bundled set, one layer before another (a file's own schemas
first), and which one a setting asks for. Leaves to others: the one over HTTP (schemas.http_registry), bytes (schemas.codec).
"""

from collections.abc import Mapping
from typing import Protocol

from schemas.bundled import Bundle, bundled
from schemas.errors import UnknownSchema
from schemas.http_registry import HttpRegistry


class Registry(Protocol):
    """What a codec asks. Both may raise RegistryUnavailable and RegistryRefused where a network is involved."""

    def schema(self, schema_id: int) -> str:
        """Give the schema's JSON, or raise UnknownSchema."""

    def id_of(self, name: str) -> int:
        """Give the id under which our current schema of that record (without namespace) is known, or raise UnknownSchema."""


class BundledRegistry:
    """The set that comes with the program, with fixed ids."""

    def __init__(self, bundle: Bundle | None = None) -> None:
        self._bundle = bundle or bundled()

    def schema(self, schema_id: int) -> str:
        """Give a published version."""
        found = self._bundle.history.get(schema_id)
        if found is None:
            raise UnknownSchema(f"no bundled schema has the id {schema_id}")
        return found.text

    def id_of(self, name: str) -> int:
        """Give the id of the newest published version."""
        newest = self._bundle.newest(name)
        if newest is None:
            raise UnknownSchema(f"no version of {name} has been published")
        return newest.id


class LayeredRegistry:
    """Schemas known by id first, then a registry. An id known as None was unknown when it was met, and stays so."""

    def __init__(self, known: Mapping[int, str | None], beneath: Registry) -> None:
        self._known = known
        self._beneath = beneath

    def schema(self, schema_id: int) -> str:
        """Give the first layer's schema, or ask the registry."""
        if schema_id not in self._known:
            return self._beneath.schema(schema_id)
        text = self._known[schema_id]
        if text is None:
            raise UnknownSchema(f"the schema id {schema_id} was unknown when this was recorded")
        return text

    def id_of(self, name: str) -> int:
        """Ask the registry: the first layer is for reading."""
        return self._beneath.id_of(name)


def open_registry(url: str | None) -> Registry:
    """Give the registry at a URL speaking the Confluent API, or the bundled one where there is none."""
    return HttpRegistry(url) if url else BundledRegistry()
