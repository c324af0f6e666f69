"""The flow as data, as a table and as schemas say the same."""

import re
from pathlib import Path
from typing import get_args

from streams.desk import messages
from streams.flow import ASIDE, INPUTS, OUTPUTS, STAGES, TAPE, TOPIC_OF

ROOT = Path(__file__).parents[2]
CELL = r" (?P<{}>[^|]*)\|"
CELLS = "".join(map(CELL.format, ("name", "reads", "writes", "keeps")))
ROW = re.compile(rf"^\|{CELLS} \[[^]]+\]\((?P<link>[^)]+)\) \|$", re.MULTILINE)


def test_the_readme_shows_the_stages_as_they_are() -> None:
    rows = [match.groupdict() for match in ROW.finditer((ROOT / "streams" / "README.md").read_text(encoding="utf-8"))]
    shown = [
        (row["name"].strip(), row["reads"].strip(), row["writes"].strip(), row["keeps"].strip(), row["link"]) for row in rows
    ]
    assert shown == [
        (stage.name, ", ".join(stage.consumes), ", ".join(stage.produces), stage.keeps, stage.code) for stage in STAGES
    ]
    assert all((ROOT / "streams" / stage.code).exists() for stage in STAGES)


def test_every_record_of_the_flow_has_a_schema() -> None:
    schemas = {path.stem for path in (ROOT / "schemas" / "avro").glob("*.avsc")}
    assert {record.__name__ for topic in (*INPUTS, TAPE, *OUTPUTS, *ASIDE) for record in topic.records} <= schemas


def test_every_body_of_the_tape_has_a_source() -> None:
    assert set(TOPIC_OF) == set(get_args(messages.Body)) - {messages.Unreadable}
