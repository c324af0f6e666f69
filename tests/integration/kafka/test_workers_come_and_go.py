"""Workers that join, leave and are restarted one after the other, while records flow in: nothing is lost or contradicted, and decisions go on."""

import sys
from itertools import pairwise

import pytest

from tests.fleet_kit import Deployed, until

pytestmark = pytest.mark.kafka

GAP_S_MAX = 90.0
"""A machine that tests everything at once may take long to start a worker; the figure itself is printed."""


def test_workers_join_leave_and_are_restarted_under_load(wide_deployment: Deployed) -> None:
    everything = wide_deployment
    sequencers = [everything.worker("sequencer", f"sequencer-{number}") for number in range(2)]
    desks = [everything.worker("desk", f"desk-{number}") for number in range(2)]
    everything.ready(*sequencers, *desks)
    with everything.fed() as feed:

        def some_more(what: str, records: int = 300) -> None:
            aim = feed.published + records
            until(lambda: feed.published > aim, what)

        some_more("two workers of each role work")
        more = [everything.worker("desk", f"desk-{number}") for number in (2, 3)]
        everything.ready(*more)
        some_more("two desks have joined")
        everything.leave(*more)
        some_more("they have left again")
        for member in (*desks, *sequencers):
            everything.leave(member)
            member.start()
            everything.ready(member)
            some_more(f"{member.name} is back", 100)
    everything.rest(sequencers, desks)

    everything.proven()
    gaps = {partition: _longest_gap_s(everything, partition) for partition in range(everything.partitions)}
    sys.stdout.write(f"longest time without decisions, in seconds by partition: {gaps}\n")
    assert max(gaps.values()) < GAP_S_MAX


def _longest_gap_s(everything: Deployed, partition: int) -> float:
    stamps = [record.timestamp_ms for record in everything.records("decisions", partition)]
    return round(max(after - before for before, after in pairwise(stamps)) / 1_000, 1)
