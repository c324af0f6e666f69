"""The bare other side of execution: each order that is read is sent with one ccxt request at once, and nothing is written down.

Run as a process of its own by `./qts bench execution`: python -m streams.bench.execution_bare SERVERS TOPIC URL ACCOUNT EMBEDDED.
Decides: nothing but that. Leaves to others: reading (connectors.kafka.bench_hop), sending (connectors.exchange.bench_ccxt), what is measured.
"""

import asyncio
import sys
from decimal import Decimal

from connectors.exchange.bench_ccxt import BareCcxt
from connectors.exchange.modes import keys_of
from connectors.kafka.bench_hop import consumed
from connectors.kafka.settings import KafkaSettings
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.desk.outputs import Order
from streams.exchange.port import AccountRef


async def relay(settings: KafkaSettings, topic: str, url: str, account: str, *, embedded: bool) -> None:
    """Send what is read, one after the other, until told to end."""
    codec = Codec(BundledRegistry())
    keys = keys_of(AccountRef(account, "", Decimal(1)), "sim", {})
    async with BareCcxt(url, keys) as exchange:
        async for raw in consumed(settings, topic, embedded=embedded):
            order = codec.decode(raw)
            assert isinstance(order, Order)
            await exchange.create_order(order.symbol, order.side, str(order.quantity), f"{order.order_id}-a0")


if __name__ == "__main__":
    _servers, _topic, _url, _account, _embedded = sys.argv[1:]
    asyncio.run(relay(KafkaSettings(_servers), _topic, _url, _account, embedded=_embedded == "yes"))
