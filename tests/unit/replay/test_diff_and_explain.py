"""What differs is named: the first field that does, or every decision that says something else."""

from pathlib import Path

from schemas.codec import Codec
from streams.desk.outputs import Check, Decision
from streams.desk.policy_check import canonical
from streams.replay.diff import as_text, first_difference
from streams.replay.explain import CHANGES_MAX, Explainer, Explanation
from streams.replay.replay import Replay
from streams.replay.tape_file import TapeReader
from streams.simulation.policies import document
from tests.tape_kit import REGISTRY, decision_number, one_byte_altered, rewritten

CODEC = Codec(REGISTRY)
SYMBOLS = [f"{coin}USDT" for coin in ("BTC", "ETH", "BNB", "SOL", "XRP")]
SAID = Decision(
    "alice", 7, 0, 1_760_000_000_000, "SIGNAL", "s1", "REFUSED", "CONFIDENCE_LOW confidence=0.4 confidence_min=0.45",
    (Check("known", "", "venue=sim"), Check("confident", "CONFIDENCE_LOW", "confidence=0.4 confidence_min=0.45")), "", 1, "aa", "bb", "cc",
)  # fmt: skip


def difference(recorded: list[Decision], replayed: list[Decision]) -> tuple[object, ...] | None:
    found = first_difference(7, [CODEC.encode(one) for one in recorded], replayed, CODEC)
    return None if found is None else tuple(found)


def explained(recorded: list[Decision], replayed: list[Decision]) -> Explanation:
    explainer = Explainer(CODEC)
    explainer.compare(7, [CODEC.encode(one) for one in recorded], replayed)
    return explainer.found


def test_the_same_is_no_difference() -> None:
    assert difference([SAID, SAID._replace(n=1)], [SAID, SAID._replace(n=1)]) is None


def test_the_first_field_that_differs_is_named_with_both_values() -> None:
    assert difference([SAID], [SAID._replace(verdict="APPROVED", order_id="q1")]) == (7, 0, "verdict", "REFUSED", "APPROVED")


def test_checks_are_told_gate_by_gate() -> None:
    found = difference([SAID], [SAID._replace(checks=SAID.checks[:1])])

    assert found == (
        7,
        0,
        "checks",
        "known venue=sim; confident CONFIDENCE_LOW confidence=0.4 confidence_min=0.45",
        "known venue=sim",
    )
    assert as_text((Check("known", "", ""),)) == "known"


def test_bytes_that_are_no_decision_are_a_difference() -> None:
    found = first_difference(7, [b"\0\0\0\0\5"], [SAID], CODEC)

    assert found is not None
    assert (found.field, found.replayed) == ("record", "Decision")
    assert found.recorded.startswith("TRUNCATED")


def test_an_unreadable_decision_too_many_is_a_difference_and_no_error() -> None:
    found = first_difference(7, [CODEC.encode(SAID), b"rubbish"], [SAID], CODEC)

    assert found is not None
    assert (found.field, found.n, found.recorded, found.replayed) == ("decisions", None, "2", "1")


def test_bytes_of_another_schema_version_that_say_the_same_are_the_same() -> None:
    class Older:
        """Writes as our codec does, under another schema id."""

        def encode(self, message: Decision) -> bytes:
            return b"\0\0\0\x03\xe7" + CODEC.encode(message)[5:]

        def decode(self, raw: bytes) -> object:
            return CODEC.decode(CODEC.encode(SAID)[:5] + raw[5:])

    assert first_difference(7, [Older().encode(SAID)], [SAID], CODEC, Older()) is None


def test_an_explanation_names_the_figures_that_differ() -> None:
    now = SAID._replace(
        reason="CONFIDENCE_LOW confidence=0.4 confidence_min=0.6",
        checks=(
            SAID.checks[0],
            Check("confident", "CONFIDENCE_LOW", "confidence=0.4 confidence_min=0.6"),
            Check("mark", "", "age_ms=3"),
        ),
        policy_version=2,
    )

    (change,) = explained([SAID], [now]).changes

    assert change.figures == ("policy_version: 1 → 2", "confident: confidence_min 0.45 → 0.6", "mark: not asked → mark age_ms=3")
    assert (change.before, change.after) == (f"REFUSED {SAID.reason}", f"REFUSED {now.reason}")


def test_gates_that_are_no_longer_asked_are_named() -> None:
    (change,) = explained([SAID], [SAID._replace(verdict="APPROVED", reason="LONG", checks=SAID.checks[:1])]).changes

    assert change.figures == ("confident: confident CONFIDENCE_LOW confidence=0.4 confidence_min=0.45 → not asked",)


def test_what_only_follows_from_an_earlier_difference_is_counted_and_not_told() -> None:
    found = explained([SAID], [SAID._replace(previous="b2", hash="c2", state_hash="a2", n=3, order_id="q9")])

    assert (found.changed, found.following) == (0, 1)
    assert (found.state_since, found.chain_since) == ({"alice": 7}, {"alice": 7})


def test_decisions_are_put_together_by_what_they_are_about() -> None:
    other = SAID._replace(subject="s2", n=1)
    extra = SAID._replace(subject="s0")

    found = explained([SAID, other], [extra, SAID._replace(n=1), other._replace(n=2)])

    assert [(change.subject, change.before, change.after) for change in found.changes] == [
        ("s0", "none", f"REFUSED {SAID.reason}")
    ]
    assert found.following == 2


def test_a_decision_that_is_gone_is_told() -> None:
    found = explained([SAID, SAID._replace(kind="ALERT", n=1)], [SAID])

    assert [(change.kind, change.after) for change in found.changes] == [("ALERT", "none")]
    assert found.by_code == {("REFUSED CONFIDENCE_LOW", "none"): 1}


def test_a_decision_that_cannot_be_read_is_told() -> None:
    explainer = Explainer(CODEC)
    explainer.compare(7, [b"rubbish"], [SAID])

    assert [change.before.split()[0] for change in explainer.found.changes] == ["unreadable:", "none"]


def test_changes_are_kept_to_a_bound_and_counted_beyond() -> None:
    explainer = Explainer(CODEC)
    for _ in range(CHANGES_MAX + 5):
        explainer.compare(7, [], [SAID])

    assert (len(explainer.found.changes), explainer.found.changed) == (CHANGES_MAX, CHANGES_MAX + 5)


def explanation(path: Path, policy: str | None = None) -> Explanation:
    with TapeReader(path) as tape:
        replay = Replay(tape, REGISTRY, policy)
        replay.run(explain=True)
        return replay.explainer.found


def test_a_tape_explained_against_itself_has_no_change(tape: Path) -> None:
    found = explanation(tape)

    assert (found.changed, found.following, found.chain_since) == (0, 0, {})
    assert found.compared > 100


def test_one_altered_decision_is_the_only_change_of_a_tape(tape: Path) -> None:
    found = explanation(rewritten(tape, decision_number(70, one_byte_altered(40))))

    assert 1 <= found.changed <= 2
    assert found.following == 0


def test_another_policy_is_explained_by_the_figures_it_changes(tape: Path) -> None:
    found = explanation(tape, canonical(document(SYMBOLS, entry={"agreement_min": "0.7"})))

    assert any(figure == "confident: agreement_min 0.6 → 0.7" for change in found.changes for figure in change.figures)
    assert found.changed + found.following <= found.compared
