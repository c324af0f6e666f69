"""The flow as data: which topics there are, what is on them, and what each stage takes, gives and keeps.

Decides: names of topics and of the records on them, and what of it is an input of the desk. Leaves to others: partitions and retention
(infra), and the code of each stage, which is named here. streams/README.md shows the same as a table; a test holds the two together.
"""

from typing import Literal, NamedTuple

from streams.desk import messages, outputs


class Topic(NamedTuple):
    """A topic: its key, its records, and whether old records give way to newer ones of the same key."""

    name: str
    key: str
    records: tuple[type, ...]
    cleanup: Literal["delete", "compact"] = "delete"


class Stage(NamedTuple):
    """A stage of the flow: what it reads, what it writes, what it remembers, and where its code begins."""

    name: str
    consumes: tuple[str, ...]
    produces: tuple[str, ...]
    keeps: str
    code: str


INPUTS = (
    Topic("signals", "account", (messages.Signal,)),
    Topic("marks", "symbol", (messages.Mark,)),
    Topic("instruments", "symbol", (messages.Instrument,), "compact"),
    Topic("control", "account or *", (messages.Control,)),
    Topic("order-events", "account", (messages.OrderEvent,)),
    Topic("fills", "account", (messages.Fill,)),
    Topic("account-events", "account", (messages.AccountEvent,)),
)
"""What the outside says. Each is put on the tape in the one order that counts."""

TAPE = Topic("tape", "explicit partition", (messages.TapeEvent,))

OUTPUTS = (
    Topic("orders", "account", (outputs.Order, outputs.Cancel)),
    Topic("decisions", "account", (outputs.Decision,)),
    Topic("portfolio", "account", (outputs.Portfolio, messages.EquityReport), "compact"),
    Topic("control", "account or *", (messages.Control,)),
    Topic("dead-letters", "as source", (outputs.DeadLetter,)),
)
"""What the desk says. Equity reports and the trip of the stop over all accounts come back as inputs."""

ASIDE = (
    Topic("liquidity", "symbol", (messages.Liquidity,)),
    Topic("allowances", "worker", ()),
)
"""What is no input of the desk. Liquidity is said for whoever looks on: what of it the desk decides by is in the marks. Allowances is where execution
workers share what the exchange lets them ask; its records are no messages, and mean nothing a minute later."""

STAGES = (
    Stage(
        "marketdata",
        ("exchange",),
        ("marks", "instruments", "liquidity"),
        "the newest of each symbol, in memory",
        "../connectors/exchange/market_data.py",
    ),
    Stage(
        "sequencer",
        (*(topic.name for topic in INPUTS), "portfolio"),
        (TAPE.name,),
        "marks of the last 100 ms",
        "pipeline/sequencer.py",
    ),
    Stage(
        "desk", (TAPE.name,), tuple(topic.name for topic in OUTPUTS), "one state a tape partition, as snapshots", "desk/desk.py"
    ),
    Stage("write pipeline", (), (), "table `desk`: the newest snapshots", "pipeline/write_pipeline.py"),
    Stage(
        "execution",
        ("orders", "control", "marks", "instruments", "exchange"),
        ("order-events", "fills", "account-events"),
        "table `ledger`: each attempt of each open order",
        "pipeline/execution/executor.py",
    ),
    Stage("views", ("portfolio",), (), "tables `positions` and `ess`", "pipeline/views.py"),
    Stage("replay", ("tape file",), ("hashes, differences",), "nothing", "replay/replay.py"),
)

TOPIC_OF = {record: topic.name for topic in INPUTS for record in topic.records} | {
    messages.EquityReport: "portfolio",
    messages.Tick: "ticks",
}
"""Where an input of the desk comes from, as the tape names its source. Ticks are the sequencer's own."""
