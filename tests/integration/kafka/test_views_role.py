"""Who asks the views over HTTP sees what the desk last said of each account, also after kill -9, and can change nothing."""

import json
from decimal import Decimal
from typing import Any

import pytest

from streams.cli.crash_fleet import Member
from streams.desk.messages import EVERY_ACCOUNT
from streams.desk.outputs import Portfolio
from tests.fleet_kit import Deployed, page, until

pytestmark = pytest.mark.kafka


def last_said(deployment: Deployed) -> dict[str, Portfolio]:
    """Give the last portfolio of each account, as its place on the tape has it; `*` has one a partition."""
    last: dict[str, Portfolio] = {}
    for partition in range(deployment.partitions):
        for record in deployment.records("portfolio", partition):
            said = deployment.codec.decode(record.value) if record.value else None
            if (
                isinstance(said, Portfolio)
                and said.account != EVERY_ACCOUNT
                and (said.account not in last or last[said.account].offset < said.offset)
            ):
                last[said.account] = said
    return last


def shown(views: Member, what: str) -> dict[str, Any]:
    answer = page(views, f"/{what}")
    assert answer is not None
    assert answer.status == 200
    rows: list[dict[str, Any]] = json.loads(answer.text)[what]
    return {row["account"]: row for row in rows if row["account"] != EVERY_ACCOUNT}


def shows_all(deployment: Deployed, views: Member) -> bool:
    return {name: row["tape_offset"] for name, row in shown(views, "positions").items()} == {
        name: said.offset for name, said in last_said(deployment).items()
    }


def test_the_views_show_what_the_desk_last_said_also_after_kill_9_and_cannot_be_changed(deployment: Deployed) -> None:
    sequencer, desk = deployment.pair()
    views = deployment.worker("views")
    deployment.ready(views)
    with deployment.fed() as feed:
        until(lambda: feed.published > 300, "some trade")
        seen = {name: row["tape_offset"] for name, row in shown(views, "positions").items()}
        views.kill()
        views.start()
        deployment.ready(views)
        until(lambda: set(shown(views, "positions")) >= set(seen), "all accounts are shown again")
        assert all(row["tape_offset"] >= seen.get(name, -1) for name, row in shown(views, "positions").items()), (
            "older ones never win"
        )
        until(lambda: feed.published > 600, "some more trade")
    deployment.rest([sequencer], [desk])
    until(lambda: shows_all(deployment, views), "the views have caught up")

    positions, stops = shown(views, "positions"), shown(views, "ess")
    for name, said in last_said(deployment).items():
        held = {position["symbol"]: Decimal(position["quantity"]) for position in positions[name]["positions"]}
        assert held == {position.symbol: position.quantity for position in said.positions}
        assert Decimal(positions[name]["cash"]) == said.cash
        assert stops[name]["ess_state"] == said.ess_state
        one = page(views, f"/positions/{name}")
        assert one is not None
        assert json.loads(one.text) == positions[name]
    for method in ("POST", "PUT", "DELETE"):
        answer = page(views, f"/positions/{min(positions)}", method)
        assert answer is not None
        assert answer.status in (404, 405)
    assert shown(views, "positions") == positions
    deployment.leave(views)
