"""Pages for a worker that has no Faust app: read-only, on 127.0.0.1 unless the deployment says otherwise.

Decides: what is answered to an unknown path. Leaves to others: what the pages say.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

CLIENT_S_MAX = 5
"""Somebody who connects and asks nothing holds a thread for so long."""

END_LOOK_S = 0.05
"""How often it looks whether it shall end."""


class Page(NamedTuple):
    """An answer."""

    status: HTTPStatus
    kind: str
    body: bytes


@contextmanager
def serving(port: int, pages: Mapping[str, Callable[[], Page]], bind: str = "127.0.0.1") -> Iterator[int]:
    """Answer on a port while a block runs; gives the port."""

    class Handler(BaseHTTPRequestHandler):
        timeout = CLIENT_S_MAX

        def do_GET(self) -> None:
            page = pages.get(self.path, _unknown)()
            self.send_response(page.status)
            self.send_header("Content-Type", page.kind)
            self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            self.wfile.write(page.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing: whoever watches asks every second."""

    server = ThreadingHTTPServer((bind, port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(END_LOOK_S,), name="pages", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def _unknown() -> Page:
    return Page(HTTPStatus.NOT_FOUND, "text/plain", b"not found\n")
