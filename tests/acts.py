"""Acts as hypothesis draws them: a list of small numbers, which shrinks to the shortest tape that still shows what is wrong."""

from hypothesis import strategies as st

from tests.adversary import KINDS, Act

_NUMBERS = st.integers(0, 999)

ACTS = st.lists(st.builds(Act, st.sampled_from(KINDS), _NUMBERS, _NUMBERS, _NUMBERS), min_size=5, max_size=80)
