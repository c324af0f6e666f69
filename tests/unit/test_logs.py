"""Logs: what a line holds, and that nothing from outside can forge one."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from decimal import Decimal

import pytest

from streams.logs import Worker, set_up, worker_banner


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_object_with_time_level_logger_message_and_what_is_known() -> None:
    stream = io.StringIO()
    set_up(stream=stream)

    logging.getLogger("streams.desk").warning("refused %s", "S1", extra={"account": "a1", "signal_id": "S1", "tape_offset": 0})

    (line,) = lines(stream)
    assert str(line.pop("ts")).endswith("Z")
    assert line == {
        "level": "WARNING", "logger": "streams.desk", "message": "refused S1", "account": "a1", "signal_id": "S1", "tape_offset": 0,
    }  # fmt: skip


def test_a_message_with_line_breaks_stays_one_line() -> None:
    stream, terminal = io.StringIO(), Terminal()
    for target in (stream, terminal):
        set_up(stream=target)
        logging.getLogger("x").info("symbol\nERROR forged")

        assert target.getvalue().count("\n") == 1


def test_an_exception_is_a_field_of_its_line() -> None:
    stream = io.StringIO()
    set_up(stream=stream)
    try:
        int("no order")
    except ValueError:
        logging.getLogger("x").exception("could not")

    (line,) = lines(stream)
    assert "ValueError: invalid literal" in str(line["traceback"])


def test_a_terminal_gets_lines_for_people() -> None:
    terminal = Terminal()
    set_up(stream=terminal)

    logging.getLogger("x").error("order refused", extra={"order_id": "q1"})

    assert "order refused order_id=q1" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")


def test_setting_up_again_does_not_double_the_lines() -> None:
    stream = io.StringIO()
    set_up(stream=stream)
    set_up(stream=stream)

    logging.getLogger("x").info("once")

    assert len(lines(stream)) == 1


def test_python_warnings_are_lines_too() -> None:
    stream = io.StringIO()
    set_up(stream=stream)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old schema", UserWarning, stacklevel=1)
        logging.captureWarnings(capture=False)

    assert lines(stream)[0]["logger"] == "py.warnings"


def test_a_workers_first_lines_say_who_it_is_what_it_may_and_how_much_it_holds() -> None:
    stream = io.StringIO()
    set_up(stream=stream)
    worker = Worker("demo", "desk", "1", 7, "phase1", None, Decimal("10.00"), {"signal_queue": 100})

    worker_banner(logging.getLogger("streams"), worker)

    first = {
        name: value for line in lines(stream) for name, value in line.items() if name not in {"ts", "level", "logger", "message"}
    }
    assert first == {
        "mode": "demo", "role": "desk", "desk_version": "1", "policy_version": 7, "phase": "phase1", "ess": "unknown",
        "risk_per_trade_pct": "10.00", "signal_queue_max": 100,
    }  # fmt: skip
