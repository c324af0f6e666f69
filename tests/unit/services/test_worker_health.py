"""How a worker is, by its pages: also where nobody answers, or nonsense."""

import os
from collections.abc import Iterator
from http import HTTPStatus

import pytest

from streams.services.small_pages import Page, serving
from streams.services.worker_health import health, is_worker, memory_bytes, ready
from streams.services.worker_processes import free_port

METRICS = b"""# TYPE qts_ready gauge
qts_ready 1.0
# TYPE qts_tape_offset gauge
qts_tape_offset{partition="0"} 17.0
qts_tape_offset{partition="3"} 4.0
# TYPE qts_inputs_total counter
qts_inputs_total{partition="0",fate="applied"} 12.0
qts_inputs_total{partition="0",fate="refused"} 5.0
"""


@pytest.fixture
def pages() -> Iterator[dict[str, Page]]:
    """Give the pages of a worker on a free port, to be changed; `port` is noted under its own name."""
    shown = {
        "/metrics": Page(HTTPStatus.OK, "text/plain", METRICS),
        "/health/ready": Page(HTTPStatus.OK, "application/json", b"{}"),
    }
    with serving(0, {path: lambda path=path: shown[path] for path in shown}) as port:  # type: ignore[misc]  # a default binds each path
        shown["port"] = Page(HTTPStatus.OK, "", str(port).encode())
        yield shown


def port_of(pages: dict[str, Page]) -> int:
    return int(pages["port"].body)


def test_figures_are_read_by_name_and_partition(pages: dict[str, Page]) -> None:
    said = health(port_of(pages))

    assert said is not None
    assert said.ready
    assert said.figures["qts_tape_offset"] == {"0": 17.0, "3": 4.0}
    assert said.figures["qts_inputs_total"] == {"0": 17.0}
    assert said.one("qts_ready") == 1.0
    assert said.one("qts_unheard_of") is None


def test_ready_means_that_the_page_says_so(pages: dict[str, Page]) -> None:
    assert ready(port_of(pages))
    pages["/health/ready"] = Page(HTTPStatus.SERVICE_UNAVAILABLE, "application/json", b"{}")
    assert not ready(port_of(pages))


def test_a_worker_that_does_not_answer_gives_nothing(pages: dict[str, Page]) -> None:
    nobody = free_port()

    assert health(nobody) is None
    assert not ready(nobody)
    pages["/metrics"] = Page(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", b"")
    assert health(port_of(pages)) is None


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"qts_ready one", b"\xff\xfe{", b""])
def test_a_stranger_on_the_port_is_not_ready(pages: dict[str, Page], body: bytes) -> None:
    pages["/metrics"] = Page(HTTPStatus.OK, "text/plain", body)

    said = health(port_of(pages))

    assert said is None or not said.ready


def test_only_a_process_that_runs_this_worker_is_it() -> None:
    assert not is_worker(os.getpid(), "desk-0")
    assert not is_worker(2**22 + 1, "desk-0")


def test_memory_is_known_of_living_processes_only() -> None:
    assert (memory_bytes() or 0) > 1_000_000
    assert memory_bytes(2**22 + 1) is None
