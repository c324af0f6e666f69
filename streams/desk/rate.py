"""The order rate: how many orders an account has sent lately."""

from streams.desk.state import Account

ORDER_RATE_WINDOW_MS = 10_000
"""The exchange counts orders of an account over ten seconds."""


def orders_in_window(account: Account, now_ms: int) -> int:
    """Count the orders of the last ten seconds, forgetting older ones."""
    times = account.order_times
    while times and times[0] <= now_ms - ORDER_RATE_WINDOW_MS:
        times.popleft()
    return len(times)
