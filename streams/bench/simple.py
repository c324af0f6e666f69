"""The simple work that is done on both sides of a comparison: decode a fill, change the account's state, say what came of it.

Decides: what is done with a fill, and how our pipeline is given it in the desk's place. Leaves to others: everything around it, which is what
is measured.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from schemas.codec import Codec
from streams.desk.desk import Outcome
from streams.desk.messages import Fill, TapeEvent
from streams.desk.outputs import Fate
from streams.desk.state import State
from streams.pipeline.ports import DeskCodec
from streams.pipeline.write_pipeline import Work

SNAPSHOT_EVERY_OFFSETS = 10_000
"""Every second or two at the rate this runs at: the peer, too, writes its state down at every commit."""


def changed(held: str | None, fill: Fill) -> str:
    """Add a fill to what is held."""
    quantity = fill.quantity if fill.side == "BUY" else -fill.quantity
    return str(quantity if held is None else Decimal(held) + quantity)


def words(fill: Fill, held: str) -> bytes:
    """Say what is held now."""
    return f"{fill.account} {fill.symbol} {held}".encode()


class Held(Protocol):
    """The state of one account, as the peer keeps it."""

    def get(self, key: str) -> Any:
        """Give what is kept."""

    def set(self, key: str, value: Any) -> None:
        """Keep it."""


def keyed(codec: Codec) -> Callable[[bytes, Held], bytes]:
    """Give the work as a function of a record and its account's state."""

    def work(raw: bytes, state: Held) -> bytes:
        fill = codec.decode(raw)
        held = changed(state.get(fill.symbol), fill)
        state.set(fill.symbol, held)
        return words(fill, held)

    return work


class Said(NamedTuple):
    """What came of a fill."""

    account: str
    value: bytes


class SimpleWork:
    """The same work as our pipeline is given it: a stepper and a writer of snapshots, for one partition."""

    def __init__(self) -> None:
        """Hold nothing."""
        self._held: dict[str, dict[str, str]] = {}

    def step(self, state: State, event: TapeEvent) -> Outcome:
        """Work on one fill."""
        fill: Any = event.body
        state.offset = event.offset
        account = self._held.get(fill.account)
        if account is None:
            account = self._held[fill.account] = {}
        symbol = fill.symbol
        held = account[symbol] = changed(account.get(symbol), fill)
        said: Any = Said(fill.account, words(fill, held))
        return Outcome(state, Fate.APPLIED, [said])

    def write(self, state: State, tape_hash: str = "") -> list[bytes]:
        """Write everything held down."""
        marker = {"offset": state.offset, "tape_hash": tape_hash, "accounts": len(self._held)}
        return [json.dumps([name, held]).encode() for name, held in self._held.items()] + [json.dumps(marker).encode()]

    def ahead(self, state: State, names: Iterable[str]) -> None:
        """Do nothing: nobody is pictured here."""


def simple_work(topic: str) -> Callable[[], Work]:
    """Give what makes the work of a partition, its outputs going to a topic."""

    def make() -> Work:
        simple = SimpleWork()
        return Work(simple.step, lambda _codec: simple, {Said: topic}, SNAPSHOT_EVERY_OFFSETS)

    return make


class FillCodec:
    """Lets the pipeline read fills as they are, without a tape event around them."""

    def __init__(self, codec: Codec) -> None:
        """Decode with the same codec as the peer."""
        self._decode = codec.decode

    def decode_event(self, raw: bytes, offset: int) -> TapeEvent:
        """Read a fill."""
        return TapeEvent(offset, 0, "fills", 0, offset, self._decode(raw), raw)

    def encode(self, message: Said) -> bytes:
        """Give the words that were found already."""
        return message.value

    def encode_record(self, name: str, record: Mapping[str, Any]) -> bytes:
        """Write nothing: this work has no records of schemas."""
        raise NotImplementedError(name)

    def decode_record(self, name: str, raw: bytes) -> dict[str, Any]:
        """Read nothing: there is nothing to come back to."""
        raise NotImplementedError(f"{name}: {len(raw)} bytes")


_: type[DeskCodec] = FillCodec
