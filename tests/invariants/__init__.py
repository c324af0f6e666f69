"""What must hold whatever happens: the invariants of the design, each as an observer that keeps its own account of what went in and came out."""

from tests.invariants.books import BooksBalance
from tests.invariants.in_flight import DrawdownIsWatched, OrdersInFlight, ReducingOnlyReduces, StopHolds
from tests.invariants.said import EveryInputHasOneFate, NothingIsDoneTwice, SaidHangsTogether, SignalsAreThrottled
from tests.rough_market import Observer


def everything() -> list[Observer]:
    """Give all observers; who mirrors the orders comes before those who ask it."""
    orders = OrdersInFlight()
    return [
        orders, BooksBalance(), StopHolds(orders), DrawdownIsWatched(), ReducingOnlyReduces(orders), SaidHangsTogether(), EveryInputHasOneFate(),
        NothingIsDoneTwice(), SignalsAreThrottled(),
    ]  # fmt: skip
