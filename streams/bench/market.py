"""A market whose signals become orders: accounts, limits, prices and signals for the rows about a running deployment.

Decides: limits so wide that a signal is not refused for want of room, since its way is what is measured.
Leaves to others: when what is sent (latency), what the desk makes of it.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from connectors.kafka.partitioner import partition_of
from schemas.codec import Codec
from streams.desk.messages import EVERY_ACCOUNT, Command, Control, Enable, OpenAccount, PhaseChange, Promotion, Signal
from streams.simulation.market import MARKETS, instrument
from streams.simulation.policies import PHASE, generated_policy
from streams.simulation.prices import Prices
from streams.simulation.signals import MODELS, SOURCE

BALANCE = Decimal(10_000_000)
_ROOM = {
    "positions_max": "20", "max_position_usd": "100000000", "max_exposure_usd": "1000000000", "leverage_max": "100", "risk_per_trade_pct": "0.001"
}  # fmt: skip
LIMITS: Mapping[str, Any] = {
    "throttle": {"signals_per_cycle": "1000", "queue_max": "1000"}, "orders": {"per_10s_max": "300", "open_max": "200", "lifetime_s": "600"},
    "market": {"spread_bps_max": "1000", "depth_share_max_pct": "100"}, "age": {"mark_s_max": "30", "signal_s_max": "60", "policy_s_max": "3600"},
    "size": _ROOM,
}  # fmt: skip


class Message(NamedTuple):
    """A record for a topic."""

    topic: str
    partition: int
    key: bytes
    value: bytes


class BenchMarket:
    """Makes the records of a deployment that is measured."""

    def __init__(self, codec: Codec, accounts: int, partitions: int, now_ms: int) -> None:
        """Name the accounts."""
        self._codec, self._partitions = codec, partitions
        self.accounts = [f"account-{number:05}" for number in range(accounts)]
        self._prices = Prices(1, MARKETS, now_ms)
        self._made = 0

    def opening(self, now_ms: int) -> Iterator[Message]:
        """Open everything: instruments, accounts, limits, switches."""
        for market in MARKETS:
            yield self._to("instruments", market.symbol, self._codec.encode(instrument(market, now_ms, now_ms + 8 * 3_600_000)))
        for account in self.accounts:
            yield self._command(account, OpenAccount("sim", "none", Decimal(5), BALANCE), now_ms)
        for command in (
            generated_policy([market.symbol for market in MARKETS], **LIMITS), PhaseChange(PHASE, True), Promotion(SOURCE, "LIVE"), Enable(),
        ):  # fmt: skip
            yield self._command(EVERY_ACCOUNT, command, now_ms)
        for account in self.accounts:
            yield self._command(account, Enable(), now_ms)

    def mark(self, index: int, now_ms: int) -> Message:
        """Give the next price of a symbol."""
        mark = self._prices.mark(index % len(MARKETS), now_ms)
        assert mark is not None, "nothing silences this market"
        return self._to("marks", mark.symbol, self._codec.encode(mark))

    def signal(self, number: int, now_ms: int) -> tuple[str, Message]:
        """Give a sure signal of the next account, and its name."""
        account = self.accounts[number % len(self.accounts)]
        index = number // len(self.accounts) % len(MARKETS)
        name = f"bench-{number:08}"
        scores = dict.fromkeys(MODELS, 0.9)
        signal = Signal(
            name, account, MARKETS[index].symbol, "LONG", Decimal("0.9"), scores, Decimal(1), SOURCE, False, self._prices.regime(index),
            self._prices.atr(index), now_ms,
        )  # fmt: skip
        return name, self._to("signals", account, self._codec.encode(signal))

    def _command(self, account: str, command: Command, now_ms: int) -> Message:
        self._made += 1
        control = Control(f"bench-{now_ms}-{self._made}", account, "bench", "bench", now_ms, command)
        return self._to("control", account, self._codec.encode(control))

    def _to(self, topic: str, key: str, value: bytes) -> Message:
        raw = key.encode()
        return Message(topic, partition_of(raw, self._partitions), raw, value)
