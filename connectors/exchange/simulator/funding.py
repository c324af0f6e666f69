"""Funding: what those who are long pay to those who are short, at its times.

Decides: quantity × mark × rate, as they are in the first step at or after the time. Leaves to others: the rate (prices).
"""

from connectors.exchange.simulator.accounting import Books
from connectors.exchange.simulator.money import money
from connectors.exchange.simulator.pit import Pit
from connectors.exchange.simulator.records import QUOTE


def pay_funding(books: Books, pit: Pit) -> None:
    """Let every holder of a symbol pay or receive, once for each time that has passed."""
    name = pit.symbol.symbol
    while pit.next_funding_ms <= books.now_ms:
        pit.next_funding_ms += pit.symbol.funding_interval_ms
        for account in books.accounts.values():
            if name not in account.holdings:
                continue
            amount = money(-account.holdings[name].quantity * pit.point.mark * pit.point.funding_rate)
            if amount:
                books.pay(account, "FUNDING_FEE", amount, name, info="FUNDING_FEE")
                books.tell_account(account, "FUNDING_FEE", [QUOTE], [name], amount)
