"""Where commands get the schemas of records from: the bundled set, or the registry the environment names.

Decides: that `QTS_SCHEMA_REGISTRY_URL` is honoured everywhere, and how a registry that does not answer reads. Leaves to others: the asking
(schemas.registry).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import RegistryRefused, RegistryUnavailable
from schemas.registry import Registry, open_registry
from streams.cli.output import BadInput, Unavailable

URL = "QTS_SCHEMA_REGISTRY_URL"


@contextmanager
def registry() -> Iterator[Registry]:
    """Give the registry of this deployment; tell in one line when it does not answer or refuses."""
    try:
        yield open_registry(os.environ.get(URL) or None)
    except RegistryUnavailable as silent:
        raise Unavailable(f"the schema registry of {URL} does not answer: {silent}") from silent
    except RegistryRefused as refused:
        raise BadInput(f"the schema registry of {URL} refuses: {refused}") from refused
