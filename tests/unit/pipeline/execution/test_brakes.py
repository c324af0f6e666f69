"""The brakes: which orders a stop refuses, who is known, and when enough has been read."""

from decimal import Decimal

import pytest

from streams.desk.commands import AGE_MS_MAX
from streams.desk.messages import (
    EVERY_ACCOUNT,
    CloseAccount,
    Command,
    Control,
    Disable,
    Enable,
    OpenAccount,
    Reset,
    Trip,
)  # fmt: skip
from streams.exchange.port import AccountRef
from streams.pipeline.execution import brakes as module
from streams.pipeline.execution.brakes import UNREAD_S_MAX, Brakes

NOW_MS = 1_700_000_000_000
OPEN = OpenAccount("sim", "KEYS_A", Decimal(5), Decimal(1_000))


class ControlTopic:
    """The topic `control` in one partition, and the brakes that read it."""

    def __init__(self) -> None:
        self.now_s, self.position = 0.0, 0
        self.stops: list[str] = []
        self.brakes = Brakes(lambda: self.now_s, lambda _: 0)
        self.brakes.on_stop(self.stops.append)

    def says(
        self, command: Command, account: str = "acc", control_id: str | None = None, late_ms: int = 0, user: str = "me"
    ) -> int:
        """Put a command on the topic; gives its position."""
        self.position += 1
        name = f"c{self.position}" if control_id is None else control_id
        self.brakes.take(0, self.position, NOW_MS + late_ms, Control(name, account, user, "why", NOW_MS, command))
        return self.position


@pytest.mark.parametrize(("command", "code"), [(Trip(), "TRIPPED"), (Disable(), "DISABLED"), (CloseAccount(), "CLOSED")])
def test_an_order_made_before_a_stop_was_known_is_refused_and_one_made_after_it_is_not(command: Command, code: str) -> None:
    control = ControlTopic()
    at = control.says(command)
    assert control.brakes.refuses("acc", at - 1, 1_000) == f"{code} account=acc position=1 applied=0"
    assert control.brakes.refuses("acc", at, -1) is None
    assert control.brakes.refuses("other", -1, -1) is None
    assert control.stops == ["acc"]


def test_a_stop_of_all_accounts_is_held_against_the_position_of_all_accounts() -> None:
    control = ControlTopic()
    at = control.says(Trip(), EVERY_ACCOUNT)
    assert control.brakes.refuses("acc", 1_000, at - 1) == "TRIPPED account=* position=1 applied=0"
    assert control.brakes.refuses("acc", -1, at) is None
    assert control.stops == ["*"]


def test_what_came_after_a_stop_does_not_let_an_order_pass_that_was_made_before_it() -> None:
    control = ControlTopic()
    before = control.says(Enable())
    control.says(Trip())
    control.says(Reset(override=True))
    after = control.says(Enable())
    assert control.brakes.refuses("acc", before, -1) is not None
    assert control.brakes.refuses("acc", after, -1) is None


def test_the_newest_stop_counts_in_whatever_order_partitions_are_read() -> None:
    control = ControlTopic()
    control.brakes.take(0, 9, NOW_MS, Control("late", "acc", "me", "why", NOW_MS, Disable()))
    control.brakes.take(1, 4, NOW_MS, Control("early", "acc", "me", "why", NOW_MS, Trip()))
    assert control.brakes.refuses("acc", 8, -1) == "DISABLED account=acc position=9 applied=8"


def test_a_repeat_of_a_stop_stands_where_the_first_one_did_as_the_desk_has_it() -> None:
    control = ControlTopic()
    at = control.says(Trip(), control_id="once")
    control.says(Trip(), control_id="once")
    assert control.brakes.refuses("acc", at, -1) is None
    other = control.says(Trip(), "other", control_id="once")
    assert control.brakes.refuses("other", other - 1, -1) is not None, "an id is an account's own"
    assert control.stops == ["acc", "other"]


def test_stops_without_an_id_are_each_a_stop_of_its_own() -> None:
    control = ControlTopic()
    at = control.says(Trip(), control_id="")
    again = control.says(Trip(), control_id="")
    assert control.brakes.refuses("acc", at, -1) == f"TRIPPED account=acc position={again} applied={at}"


def test_a_repeat_of_a_stop_that_was_forgotten_stops_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOPS_KNOWN_MAX", 2)
    control = ControlTopic()
    for name in ("a", "b", "c", "a"):
        control.says(Trip(), control_id=name)
    assert control.brakes.refuses("acc", 3, -1) is not None


def test_a_stop_that_stands_where_its_key_does_not_belong_counts_too() -> None:
    control = ControlTopic()
    control.brakes.take(1, 7, NOW_MS, Control("stray", "acc", "me", "why", NOW_MS, Trip()))
    assert control.brakes.refuses("acc", 6, -1) is not None


def test_an_account_is_known_with_where_its_keys_are_also_after_it_was_closed() -> None:
    control = ControlTopic()
    control.says(OPEN)
    assert control.brakes.accounts == {"acc": AccountRef("acc", "KEYS_A", Decimal(5))}
    control.says(CloseAccount())
    assert "acc" in control.brakes.accounts


def test_an_open_account_keeps_its_keys_and_one_opened_again_gets_new_ones() -> None:
    control = ControlTopic()
    control.says(OPEN)
    control.says(OPEN._replace(credentials="KEYS_B"))
    assert control.brakes.accounts["acc"].credentials == "KEYS_A"
    control.says(CloseAccount())
    control.says(OPEN._replace(credentials="KEYS_B"))
    assert control.brakes.accounts["acc"].credentials == "KEYS_B"


def test_what_the_desk_refuses_opens_no_account() -> None:
    control = ControlTopic()
    control.says(OPEN, late_ms=AGE_MS_MAX + 1)
    control.says(OPEN, user=" ")
    control.says(OPEN, "no account's name")
    control.says(OPEN, EVERY_ACCOUNT)
    control.says(OPEN._replace(leverage=Decimal("NaN")))
    assert control.brakes.accounts == {}


def test_who_has_not_heard_for_too_long_where_the_topic_ends_has_not_caught_up() -> None:
    control = ControlTopic()
    said = [control.brakes.caught_up]
    control.now_s = 50.0
    control.brakes.read_up_to(49.0)
    said.append(control.brakes.caught_up)
    control.now_s = 49.0 + UNREAD_S_MAX + 0.1
    said.append(control.brakes.caught_up)

    assert said == [False, True, False]
    control.brakes.read_up_to(control.now_s)
    assert control.brakes.caught_up


def test_who_wants_to_hear_of_stops_no_longer_hears_of_none() -> None:
    control = ControlTopic()
    heard: list[str] = []
    enough = control.brakes.on_stop(heard.append)
    control.says(Trip())
    enough()
    control.says(Trip(), "other")
    assert (heard, control.stops) == (["acc"], ["acc", "other"])
