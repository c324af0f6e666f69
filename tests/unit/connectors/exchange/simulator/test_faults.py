"""The fault plan: each fault does what its name says, as often as its odds say, the same in every run."""

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from connectors.exchange.simulator.fault_rules import BAN_STATUS, FAULTS, Rule, read_rules, rule
from connectors.exchange.simulator.faults import COPIES_MAX, Decision, FaultPlan, Outcome
from connectors.exchange.simulator.plan_file import ENTRIES_MAX, BadPlan
from connectors.exchange.simulator.price_script import read_script

START_MS = 1_700_000_000_000
ORDER = "/fapi/v1/order"
PLANS = Path(__file__).parents[5] / "infra" / "exchange"


def plan(*rules: Rule, seed: int = 1) -> FaultPlan:
    return FaultPlan(rules, seed, START_MS)


def asked(of: FaultPlan, at_ms: int = 0, *, method: str = "POST", path: str = ORDER, account: str = "a1") -> Decision:
    return of.for_request(method, path, account, START_MS + at_ms)


def about(kind: str) -> list[str]:
    return [name for name, fault in FAULTS.items() if fault.about == kind]


ENDINGS = {
    "reject": (Outcome.REJECT, False, 400),
    "server_error": (Outcome.STATUS, False, 503),
    "server_error_after": (Outcome.STATUS, True, 503),
    "maintenance": (Outcome.MAINTENANCE, False, 503),
    "timeout_before": (Outcome.TIMEOUT_BEFORE, False, 408),
    "timeout_after": (Outcome.TIMEOUT_AFTER, True, 408),
    "drop_before": (Outcome.DROP_BEFORE, False, 200),
    "drop_after": (Outcome.DROP_AFTER, True, 200),
    "silent_after": (Outcome.SILENT_AFTER, True, 200),
    "rate_limited": (Outcome.BAN, False, 429),
    "banned": (Outcome.BAN, False, 418),
}


def test_without_rules_nothing_happens() -> None:
    calm = plan()

    assert asked(calm) == Decision(0, Outcome.PASS, accepted=True)
    assert calm.for_event("a1", "ORDER_TRADE_UPDATE", START_MS) == [0]
    assert calm.clock_skew_ms(START_MS) == 0
    assert not calm.user_stream_dead("a1", START_MS)


@pytest.mark.parametrize("fault", [name for name in about("request") if name != "latency"])
def test_a_fault_ends_a_request_as_its_name_says(fault: str) -> None:
    struck = plan(rule(fault))
    decision = asked(struck)

    assert (decision.outcome, decision.accepted, decision.status) == ENDINGS[fault]
    assert struck.tallies[fault] == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_can_be_named_without_parameters(fault: str) -> None:
    assert rule(fault).fault == fault


def test_timeouts_carry_the_codes_of_the_exchange() -> None:
    assert asked(plan(rule("timeout_after"))).code == -1007
    assert asked(plan(rule("reject", code=-2019, words="Margin is insufficient."))).words == "Margin is insufficient."


def test_latency_lies_within_its_bounds_and_delays_add_up() -> None:
    late = plan(rule("latency", ms=100, up_to_ms=200), rule("timeout_after", ms=1_000))
    delays = {asked(late).delay_ms for _ in range(2_000)}

    assert (min(delays), max(delays)) == (1_100, 1_200)
    assert asked(late).outcome is Outcome.TIMEOUT_AFTER


def test_of_two_faults_that_end_a_request_the_first_one_does() -> None:
    both = plan(rule("drop_after"), rule("reject"))

    assert asked(both).outcome is Outcome.DROP_AFTER
    assert both.tallies["reject"] == 0


def test_a_fault_strikes_as_often_as_its_odds_say() -> None:
    struck = plan(rule("drop_before", odds="0.05"))
    for _ in range(20_000):
        asked(struck)

    assert 900 < struck.tallies["drop_before"] < 1_100
    assert struck.tallies["requests"] == 20_000


@pytest.mark.parametrize(("odds", "times"), [("0", 0), ("1", 100)])
def test_never_is_never_and_always_is_always(odds: str, times: int) -> None:
    struck = plan(rule("drop_before", odds=odds))
    for _ in range(100):
        asked(struck)

    assert struck.tallies["drop_before"] == times


def test_a_fault_strikes_at_most_so_many_times() -> None:
    struck = plan(rule("drop_before", times=3))

    assert Counter(asked(struck).outcome for _ in range(10)) == {Outcome.DROP_BEFORE: 3, Outcome.PASS: 7}


def test_the_fate_of_an_account_does_not_depend_on_other_accounts() -> None:
    alone, among = (
        plan(rule("drop_before", odds="0.3"), rule("latency", odds="0.5", ms=1, up_to_ms=99), seed=5) for _ in range(2)
    )
    fates = [asked(alone) for _ in range(200)]

    mixed = []
    for number in range(200):
        for other in range(number % 3):
            asked(among, account=f"b{other}")
        mixed.append(asked(among))

    assert mixed == fates


def test_another_seed_is_another_fate() -> None:
    one, other = (plan(rule("drop_before", odds="0.5"), seed=seed) for seed in (1, 2))

    assert [asked(one) for _ in range(50)] != [asked(other) for _ in range(50)]


def test_rules_are_about_methods_paths_and_accounts() -> None:
    narrow = plan(rule("reject", methods=["POST"], paths=[ORDER, "/fapi/v1/algo*"], accounts=["a1"]))

    assert asked(narrow).outcome is Outcome.REJECT
    assert asked(narrow, path="/fapi/v1/algoOrder").outcome is Outcome.REJECT
    assert asked(narrow, path="/fapi/v1/orders").outcome is Outcome.PASS
    assert asked(narrow, method="GET").outcome is Outcome.PASS
    assert asked(narrow, account="a2").outcome is Outcome.PASS


def test_rules_have_their_time() -> None:
    timed = plan(rule("maintenance", from_s=10, until_s="100.5", every_s=30, for_s=5))
    down = [at_s for at_s in range(120) if asked(timed, at_s * 1_000).outcome is Outcome.MAINTENANCE]

    assert down == [*range(10, 15), *range(40, 45), *range(70, 75), 100]


@pytest.mark.parametrize("fault", BAN_STATUS)
def test_during_a_retry_after_every_request_of_everybody_is_refused(fault: str) -> None:
    banned = plan(rule(fault, times=1, retry_after_s=5))
    first = asked(banned)

    meanwhile = asked(banned, 3_200, account="a2", path="/fapi/v1/depth")

    assert (first.status, first.retry_after_s) == (BAN_STATUS[fault], 5)
    assert (meanwhile.status, meanwhile.retry_after_s, meanwhile.accepted) == (BAN_STATUS[fault], 2, False)
    assert asked(banned, 5_000).outcome is Outcome.PASS
    assert banned.tallies["asked_while_paused"] == 1


def test_events_come_late_twice_and_out_of_order() -> None:
    assert plan(rule("event_late", ms=700)).for_event("a1", "ACCOUNT_UPDATE", START_MS) == [700]
    assert plan(rule("event_twice", ms=800)).for_event("a1", "ACCOUNT_UPDATE", START_MS) == [0, 800]
    assert plan(rule("event_twice", ms=8), rule("event_late", ms=2)).for_event("a1", "x", START_MS) == [2, 10]
    assert plan(rule("event_lost")).for_event("a1", "x", START_MS) == []
    mixed = plan(rule("event_out_of_order"))
    delays = [mixed.for_event("a1", "x", START_MS)[0] for _ in range(50)]
    assert delays != sorted(delays)


def test_an_event_has_a_bounded_number_of_copies() -> None:
    assert len(plan(*[rule("event_twice")] * 50).for_event("a1", "x", START_MS)) == COPIES_MAX


def test_event_rules_are_about_kinds() -> None:
    late = plan(rule("event_late", kinds="ORDER_TRADE_UPDATE"))

    assert late.for_event("a1", "ORDER_TRADE_UPDATE", START_MS) == [500]
    assert late.for_event("a1", "ACCOUNT_UPDATE", START_MS) == [0]


def test_a_dead_user_stream_delivers_nothing_until_it_lives_again() -> None:
    dead = plan(rule("user_stream_dead", from_s=10, until_s=30, accounts="a1"))

    assert dead.for_event("a1", "x", START_MS + 9_999) == [0]
    assert dead.for_event("a1", "x", START_MS + 10_000) == []
    assert dead.for_event("a2", "x", START_MS + 10_000) == [0]
    assert not dead.user_stream_dead("a1", START_MS + 30_000)
    assert dead.tallies["user_stream_dead"] == 1


def test_clock_skews_add_up_in_their_time() -> None:
    skewed = plan(rule("clock_skew", ms=-6_000, until_s=10), rule("clock_skew", ms=500))

    assert [skewed.clock_skew_ms(START_MS + at_ms) for at_ms in (0, 10_000)] == [-5_500, 500]


def test_a_plan_can_be_replaced_while_it_runs() -> None:
    running = plan(rule("banned"))
    asked(running)
    running.replace([rule("drop_after", from_s=1)], START_MS + 5_000)

    assert asked(running, 5_500).outcome is Outcome.PASS
    assert asked(running, 6_000).outcome is Outcome.DROP_AFTER
    assert running.tallies["banned"] == 1


@pytest.mark.parametrize("name", ["calm", "rough", "storm"])
def test_the_plans_that_come_along_can_be_read(name: str) -> None:
    text = (PLANS / f"{name}.yaml").read_text()

    assert read_rules(f"{name}.yaml", text)
    assert bool(read_script(f"{name}.yaml", text)) == (name != "calm")


def test_the_rough_plan_has_a_bit_of_everything() -> None:
    rules = read_rules("rough.yaml", (PLANS / "rough.yaml").read_text())

    assert {one.fault for one in rules} == set(FAULTS) - {"banned"}


def test_numbers_stay_what_was_written() -> None:
    assert read_rules("p", "faults: [{fault: latency, odds: 0.1}]")[0].odds == Decimal("0.1")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("faults:\n  - {fault: flood}", r"p.yaml:2: fault: there is no 'flood'; known are latency, "),
        ("faults:\n  - {odds: 1}", r"p.yaml:2: has no fault"),
        ("faults:\n  - fault: latency\n    odd: 1", r"p.yaml:3: odd: is not known here; known are accounts, "),
        ("faults:\n  - {fault: latency, odds: 1.1}", r"p.yaml:2: odds: 1.1 is not within 0 and 1"),
        ("faults:\n  - {fault: latency, odds: NaN}", r"p.yaml:2: odds: NaN is not within 0 and 1"),
        ("faults:\n  - {fault: latency, odds: often}", r"p.yaml:2: odds: 'often' is no number"),
        ("faults:\n  - {fault: latency, ms: 1.5}", r"p.yaml:2: ms: 1.5 is no whole number"),
        ("faults:\n  - {fault: latency, ms: 300, up_to_ms: 200}", r"p.yaml:2: up_to_ms: 200 is not within 300 and "),
        ("faults:\n  - {fault: latency, ms: [1, 2]}", r"p.yaml:2: ms: is a list; one value is wanted"),
        ("faults:\n  - {fault: latency, ms: {a: 1}}", r"p.yaml:2: a plain value is wanted"),
        ("faults:\n  - {fault: latency, ms: }", r"p.yaml:2: a plain value is wanted"),
        ("faults:\n  - {fault: latency, paths: []}", r"p.yaml:2: is an empty list"),
        ("faults:\n  - {fault: latency, paths: order}", r"p.yaml:2: paths: a path begins with /"),
        ("faults:\n  - {fault: latency, methods: FETCH}", r"p.yaml:2: methods: has something else than GET"),
        ("faults:\n  - {fault: latency, from_s: 5, until_s: 5}", r"p.yaml:2: until_s: is not after from_s"),
        ("faults:\n  - {fault: latency, every_s: 5}", r"p.yaml:2: every_s: every_s and for_s belong together"),
        ("faults:\n  - {fault: clock_skew, odds: 1}", r"p.yaml:2: odds: is not known here"),
        ("faults:\n  - {fault: rate_limited, status: 418}", r"p.yaml:2: status: is not known here"),
        ("faults:\n  - {fault: latency, fault: reject}", r"p.yaml:2: fault: is written twice"),
        ("faults: latency", r"p.yaml:1: faults: is no list"),
        ("faults:\n  - latency", r"p.yaml:2: a table of keys is wanted"),
        ("rules: []", r"p.yaml:1: rules: is not known here; known are faults, prices"),
        ("- fault: latency", r"p.yaml:1: a table of keys is wanted"),
        ("faults: [", r"p.yaml:\d: is not YAML"),
        ("faults: [" + "{fault: latency}, " * (ENTRIES_MAX + 1) + "]", r"p.yaml:1: faults: has more than 1000 entries"),
    ],
)  # fmt: skip
def test_a_bad_plan_is_refused_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(BadPlan, match=problem):
        read_rules("p.yaml", text)


@pytest.mark.parametrize("text", ["", "# nothing\n", "faults:\n", "faults: []\n"])
def test_an_empty_plan_is_a_calm_one(text: str) -> None:
    assert read_rules("p.yaml", text) == ()
