"""For what a plain loop leaves undone: how an automatic `map` or `imap` goes over to the engine.

Owns the run that is put together after a loop, or beside one that is stuck in a long task. Must never decide when.
"""

from __future__ import annotations

from alongside.compose import let_go
from alongside.compose.composition import Composition, Manner
from alongside.compose.ordinary import lazily
from alongside.core.choose import Plan, waits
from alongside.core.events import Reserved
from alongside.core.options import Options
from alongside.runtime import machine
from alongside.runtime.interrupts import shielded
from alongside.runtime.opening import Opening
from alongside.runtime.results import Values
from alongside.runtime.stream import Inbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from alongside.runtime.lazy import Lazy


def engage(opening: Opening, plan: Plan) -> Engaged:
    """The rest of a `map`."""
    return Engaged(opening, plan, Values("raise"), eager=True)


def engage_lazily(opening: Opening, plan: Plan) -> Engaged:
    """The rest of an `imap`."""
    return Engaged(opening, plan, Inbox(), eager=False)


class Engaged:
    """The run of what a loop has left. Driven beside the loop while that is stuck, and by the caller from then on."""

    def __init__(self, opening: Opening, plan: Plan, deliver: Any, eager: bool) -> None:
        self._deliver = deliver
        self._handed_over = False
        self._computes = not waits(opening.pilot.weighed)
        self._eager = eager
        with shielded():
            self._made = Composition(
                opening.fn,
                opening.source,
                Options(),
                deliver,
                Manner(star=opening.star, eager=eager),
                after=plan,
                done=opening.watch.kept(),
            )
        let_go(plan.backend)
        self._made.teacher.begins(self._made.driver.backend.capabilities, self._made.plan.max_workers)
        if self._made.review is not None:
            self._made.review.begin(opening.pilot)
        if self._made.ledger is not None:
            self._made.ledger.follows(opening.pilot.done)
        self._may_come_home(eager)

    def drive_beside(self) -> None:
        """Run, until `hand_over` or the end. In the watcher's thread."""
        self._may_come_home(False)
        driver = self._made.driver
        driver.open()
        driver.feed(Reserved(self._taken_by_loop()))
        while driver.finish is None and not self._handed_over:
            driver.step()
            self._made.consider()

    def hand_over(self) -> None:
        """Have `drive_beside` return: somebody else goes on."""
        self._handed_over = True
        self._may_come_home(self._eager)
        self._made.driver.wake()

    def abandon(self) -> None:
        """End the run early; whoever drives it beside returns. Does nothing where it is over."""
        self._made.driver.stop()
        self.hand_over()

    def close(self) -> None:
        """Let go of everything."""
        self._made.close()
        self._made.driver.close()

    def values(self, results: list[Any]) -> list[Any]:
        """Run to the end; the loop's results and those of the rest."""
        self._arrive()
        self._made.drive()
        self._made.conclude()
        results.extend(self._deliver.taken())
        return results

    def stream(self) -> Lazy:
        """The results of the rest, as they are taken."""
        self._arrive()
        return lazily(self._made, self._deliver)

    def _arrive(self) -> None:
        """In the caller's thread, which computes nothing else any more."""
        self._made.teacher.arrive()
        self._made.driver.feed(Reserved(0))

    def _taken_by_loop(self) -> int:
        """CPUs that the loop's own task takes from the workers, where they have one each."""
        return 1 if self._computes and self._made.plan.max_workers == machine.cpu_count() else 0

    def _may_come_home(self, may: bool) -> None:
        """Home is the caller's thread."""
        if self._made.review is not None:
            self._made.review.may_come_home = may
