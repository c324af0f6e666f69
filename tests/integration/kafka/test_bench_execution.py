"""A part of `./qts bench execution`, run small on real Kafka: structure and sanity. No figure is asserted: they are of a machine at a moment.

The other parts take minutes, for the exchange counts weight by the minute: they run when the bench does.
"""

import json

import pytest

from streams.cli.main import main
from streams.cli.output import OK

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("kafka")]

SMALL = ("--orders", "20", "--accounts", "3", "--seconds", "2", "--recovered", "400")


def rows(capsys: pytest.CaptureFixture[str], part: str) -> dict[str, dict[str, object]]:
    """Run one part, and give its rows by name."""
    assert main(["bench", "execution", "--only", part, *SMALL, "--json"]) == OK
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    for row in answer["rows"]:
        assert set(row) == {"name", "figure", "unit", "ratio"}
    return {row["name"]: row for row in answer["rows"]}


def test_orders_of_both_sides_arrive(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys, "path")

    lost = found.pop("orders that did not arrive, left out of these, nothing waits for the allowance")
    assert lost["figure"] == 0
    assert len(found) == 4
    assert all(float(str(row["figure"])) > 0 for row in found.values())
