"""The tape of refusals has every code the desk can refuse, bury or warn with: whoever adds one adds its case to tests/tapes/refusals.py."""

from streams.desk.outputs import DeadLetter
from tests.tapes.refusals import every_refusal
from tests.tapes_fixture import decisions_of
from tests.unit.desk.test_refusal_codes import codes_in_the_source, codes_said

TOO_LONG_FOR_A_TAPE = {"SYMBOLS_FULL"}
"""Two thousand marks, half as long as the whole tape; tests/refusal_cases.py has it."""


def test_every_code_the_desk_says_no_with_is_on_the_tape() -> None:
    _, run, _ = every_refusal()
    said = codes_said([output for _, outcome in run for output in outcome.outputs])

    assert codes_in_the_source() - said == TOO_LONG_FOR_A_TAPE


def test_every_refusal_of_the_story_is_recorded_where_it_is_a_decision() -> None:
    _, run, expected = every_refusal()
    buried = {output.error for _, outcome in run for output in outcome.outputs if isinstance(output, DeadLetter)}

    assert set(expected) - buried <= {decision.code for decision in decisions_of("refusals")}
