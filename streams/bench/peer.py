"""The peer's process: Quix Streams doing the same work as our workers, with the same codec and the same `step`.

Run by `./qts bench kafka`: python -m streams.bench.peer simple|stepping SERVERS GROUP SOURCE SINK FOLDER.
"""

import sys
from pathlib import Path

from connectors.kafka.bench_quix import PeerPlan, Place, run_keyed, run_stepping
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.bench.simple import keyed
from streams.desk.desk import step
from streams.desk.state import new_state
from streams.pipeline.outgoing import key_of
from streams.pipeline.write_pipeline import LANES, TOPIC_OF


def main(kind: str, servers: str, group: str, source: str, sink: str, folder: str) -> None:
    """Work until ended."""
    plan, codec = PeerPlan(servers, group, source, Path(folder)), Codec(BundledRegistry())
    if kind == "simple":
        run_keyed(plan, sink, keyed(codec))
        return
    state = new_state(1, 0)

    def stepping(raw: bytes, offset: int) -> list[Place]:
        outputs = step(state, codec.decode_event(raw, offset)).outputs
        return [(TOPIC_OF[type(output)], key_of(output, None), codec.encode(output)) for output in outputs]

    run_stepping(plan, LANES, stepping)


if __name__ == "__main__":
    main(*sys.argv[1:])
