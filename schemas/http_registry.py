"""A schema registry over HTTP: the Confluent API, as Confluent, Karapace and Apicurio speak it.

Decides: how it is asked, what is remembered, and what each answer means for the caller: wait and ask again (RegistryUnavailable), stop
(RegistryRefused), or be sure that there is none (UnknownSchema). Schemas never change under an id, so what was fetched is kept; subjects are the
records' full names, as one topic (the tape's) carries many. Leaves to others: waiting and retrying.
"""

import json
from base64 import b64encode
from collections import OrderedDict
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from schemas.bundled import NAMESPACE, Bundle, bundled
from schemas.errors import RegistryRefused, RegistryUnavailable, UnknownSchema

_TIMEOUT_S = 5.0
"""A registry answers in milliseconds; what takes longer is as good as down, and a partition waits for it."""
_RETRY_S = 1.0
"""How long to wait where the registry does not say."""
_ANSWER_BYTES_MAX = 1024 * 1024
"""An answer longer than this is none; the schema in it may have a quarter of it."""
_REMEMBERED_MAX = 1_000
"""Ids kept, known and unknown ones apart. When full the oldest goes and is asked for again: a flood of made-up ids costs requests, not memory."""
_MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


class HttpRegistry:
    """Asks a registry, once for each id and once for each schema of ours."""

    def __init__(self, url: str, bundle: Bundle | None = None, timeout_s: float = _TIMEOUT_S) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RegistryRefused("the schema registry's URL is not http:// or https://")
        self._headers = {"Accept": _MEDIA_TYPE, "Content-Type": _MEDIA_TYPE}
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = "Basic " + b64encode(login.encode()).decode()
        self._base = urlunsplit(
            parts._replace(netloc=parts.netloc.rpartition("@")[2], path=parts.path.rstrip("/"), query="", fragment="")
        )
        self._bundle = bundle or bundled()
        self._timeout_s = timeout_s
        self._schemas: OrderedDict[int, str] = OrderedDict()
        self._unknown: OrderedDict[int, None] = OrderedDict()
        self._ids: dict[str, int] = {}  # bounded by the number of schemas we have

    def schema(self, schema_id: int) -> str:
        """Give the schema of an id."""
        if schema_id in self._schemas:
            return self._schemas[schema_id]
        if schema_id in self._unknown:
            raise UnknownSchema(f"the schema registry has no id {schema_id}")
        try:
            answer = self._ask(f"/schemas/ids/{schema_id}", None)
        except UnknownSchema:
            _remember(self._unknown, schema_id, None)
            raise
        text = answer.get("schema")
        if not isinstance(text, str) or answer.get("schemaType", "AVRO") != "AVRO" or answer.get("references"):
            raise UnknownSchema(f"what the schema registry has under the id {schema_id} is no Avro schema that stands alone")
        _remember(self._schemas, schema_id, text)
        return text

    def id_of(self, name: str) -> int:
        """Give the id of our current schema, registering it where it is new."""
        if name not in self._ids:
            text = self._bundle.current.get(name)
            if text is None:
                raise UnknownSchema(f"there is no schema of {name}")
            answer = self._ask(f"/subjects/{quote(NAMESPACE + name, safe='')}/versions", {"schema": text})
            schema_id = answer.get("id")
            if not isinstance(schema_id, int) or not 0 <= schema_id < 1 << 32:
                raise RegistryUnavailable(f"the schema registry gave {name} no id", _RETRY_S)
            self._ids[name] = schema_id
        return self._ids[name]

    def _ask(self, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self._base + path, data, self._headers)  # noqa: S310  # the scheme was checked
        try:
            with urlopen(request, timeout=self._timeout_s) as response:  # noqa: S310  # the scheme was checked
                raw = response.read(_ANSWER_BYTES_MAX + 1)
        except HTTPError as error:
            with error:
                raise _refusal(error, path) from None
        except (URLError, HTTPException, OSError) as error:
            raise RegistryUnavailable(f"the schema registry cannot be reached: {error}", _RETRY_S) from error
        try:
            answer = json.loads(raw) if len(raw) <= _ANSWER_BYTES_MAX else None
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):  # a proxy's page, or an answer cut short
            raise RegistryUnavailable(f"the schema registry's answer to {path} is not understood", _RETRY_S)
        return answer


def _refusal(error: HTTPError, path: str) -> Exception:
    """Say what the caller has to do about an HTTP status."""
    detail = f"the schema registry answered {path} with {error.code}"
    if error.code in (408, 429) or error.code >= 500:
        wait = error.headers.get("Retry-After", "")
        return RegistryUnavailable(detail, float(wait) if wait.isascii() and wait.isdigit() else _RETRY_S)
    if error.code == 404 and path.startswith("/schemas/"):
        return UnknownSchema(detail)
    said = error.read(1_000).decode(errors="replace")
    return RegistryRefused(f"{detail}: {said}")


def _remember(kept: OrderedDict[int, Any], key: int, value: Any) -> None:
    kept[key] = value
    if len(kept) > _REMEMBERED_MAX:
        kept.popitem(last=False)
