"""A schema registry in a thread: the part of the Confluent API that a codec needs, over real HTTP, with faults on request.

Decides: what it answers, and remembers what it was asked. Leaves to others: starting and ending it around a test.
"""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import unquote


class Fault(NamedTuple):
    """An answer instead of the right one."""

    status: int
    body: bytes = b'{"error_code": 50001, "message": "broken"}'
    retry_after: str | None = None


class RegistryServer(ThreadingHTTPServer):
    """Ids grow from 100, so that none of them is one of the bundled set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.schemas: dict[int, str] = {}
        self.subjects: dict[str, list[int]] = {}
        self.asked: list[str] = []
        self.authorization: list[str | None] = []
        self.fault: Fault | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def register(self, subject: str, schema: str) -> int:
        """Give a schema an id, the same one for the same text."""
        known = next((number for number, text in self.schemas.items() if text == schema), None)
        number = 100 + len(self.schemas) if known is None else known
        self.schemas[number] = schema
        self.subjects.setdefault(subject, []).append(number)
        return number


class _Handler(BaseHTTPRequestHandler):
    server: RegistryServer

    def do_GET(self) -> None:  # the name http.server calls
        self._note()
        number = int(self.path.removeprefix("/schemas/ids/"))
        if self.server.fault:
            self._answer(self.server.fault)
        elif number in self.server.schemas:
            self._answer(Fault(200, json.dumps({"schema": self.server.schemas[number]}).encode()))
        else:
            self._answer(Fault(404, b'{"error_code": 40403, "message": "Schema not found"}'))

    def do_POST(self) -> None:  # the name http.server calls
        self._note()
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.fault:
            self._answer(self.server.fault)
            return
        subject = unquote(self.path.removeprefix("/subjects/").removesuffix("/versions"))
        self._answer(Fault(200, json.dumps({"id": self.server.register(subject, body["schema"])}).encode()))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name http.server calls it by
        """Say nothing: tests look at `asked`."""

    def _note(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        self.server.authorization.append(self.headers["Authorization"])

    def _answer(self, answer: Fault) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.retry_after is not None:
            self.send_header("Retry-After", answer.retry_after)
        self.end_headers()
        self.wfile.write(answer.body)
