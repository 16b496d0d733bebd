"""What `imap` returns: an iterator that also tells its plan.

Owns nothing but the two. Must stay light: it is part of the first milliseconds of a run.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from typing import Any

    from alongside.core.choose import Plan
    from alongside.observe.timeline import Timeline


class Lazy:
    """Results as they are taken. `close` ends what still runs; so does letting go of it."""

    __slots__ = ("__weakref__", "_plan", "_values", "timeline")

    def __init__(
        self, values: Generator[Any, None, None], plan: Callable[[], Plan], timeline: Timeline | None = None
    ) -> None:
        self.timeline = timeline
        self._values = values
        self._plan = plan

    @property
    def plan(self) -> Plan:
        """The backend at work now, and why."""
        return self._plan()

    def __iter__(self) -> Iterator[Any]:
        return self._values  # not this object: a `for` loop then pays nothing for it

    def __next__(self) -> Any:
        return next(self._values)

    def close(self) -> None:
        """End what still runs; nothing more comes."""
        self._values.close()


class Stretches:
    """The plain loop's results, and those of the engine if it takes over."""

    def __init__(self, watch: Any, take_over: Callable[[list[Any]], Lazy]) -> None:
        self._watch = watch
        self._take_over = take_over
        self._engine: Lazy | None = None

    def values(self) -> Generator[Any, None, None]:
        """Results, a stretch of the loop at a time."""
        watch = self._watch
        while not watch.ended:
            results: list[Any] = []
            failed: BaseException | None = None
            try:
                watch.stretch(results)
            except Exception as error:
                failed = error
            yield from results
            if failed is not None:
                raise failed
            if watch.slow():
                self._engine = self._take_over(results)
                yield from self._engine
                return

    def plan(self) -> Plan:
        """The engine's, once it is at work."""
        if self._engine is not None:
            return self._engine.plan
        from alongside.core.choose import Plan

        return Plan("serial", 1, ("it is a plain loop: so far nothing has shown that more would be worth it.",))
