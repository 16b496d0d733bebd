"""Putting outcomes back into the order of the input.

Owns what came too early. Must never know workers, retries or time.
"""

from __future__ import annotations

from alongside.core.model import Delivery, first_index, size


class Ordering:
    """Holds deliveries until every earlier task's has gone out.

    Guarantees: what `add` returns is the input's order without a gap, each index once. Cost: one dictionary entry
    per delivery (not per task).
    """

    def __init__(self, ordered: bool = True, first: int = 0) -> None:
        self._ordered = ordered
        self._early: dict[int, Delivery] = {}
        self.next = first
        self.held = 0

    def add(self, delivery: Delivery) -> list[Delivery]:
        """What can go out now that `delivery` is known."""
        if not self._ordered:
            return [delivery]
        self._early[first_index(delivery)] = delivery
        self.held += size(delivery)
        return self._release()

    def _release(self) -> list[Delivery]:
        ready: list[Delivery] = []
        while (delivery := self._early.pop(self.next, None)) is not None:
            ready.append(delivery)
            self.next += size(delivery)
            self.held -= size(delivery)
        return ready
