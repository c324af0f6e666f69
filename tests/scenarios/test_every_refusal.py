"""The tapes of refusals have every code the desk can refuse, bury or warn with.

Whoever adds one adds its case to a tape of its own, like tests/tapes/liquidity.py: tests/tapes/refusals.py has to stay as it is.
"""

import pytest

from streams.desk.outputs import DeadLetter
from tests.tapes.liquidity import thin_markets
from tests.tapes.refusals import every_refusal
from tests.tapes_fixture import decisions_of
from tests.unit.desk.test_refusal_codes import codes_in_the_source, codes_said

TAPES = {"refusals": every_refusal, "liquidity": thin_markets}
TOO_LONG_FOR_A_TAPE = {"SYMBOLS_FULL"}
"""Two thousand marks, half as long as the whole tape; tests/refusal_cases.py has it."""


def test_every_code_the_desk_says_no_with_is_on_the_tape() -> None:
    said = {
        code for story in TAPES.values() for code in codes_said([output for _, done in story()[1] for output in done.outputs])
    }

    assert codes_in_the_source() - said == TOO_LONG_FOR_A_TAPE


@pytest.mark.parametrize("tape", TAPES)
def test_every_refusal_of_the_story_is_recorded_where_it_is_a_decision(tape: str) -> None:
    _, run, expected = TAPES[tape]()
    buried = {output.error for _, outcome in run for output in outcome.outputs if isinstance(output, DeadLetter)}

    assert set(expected) - buried <= {decision.code for decision in decisions_of(tape)}
