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
    from alongside.runtime.opening import Opening


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

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._engine: Lazy | None = None

    def values(self) -> Generator[Any, None, None]:
        """Results, a stretch of the loop at a time.

        Why also closed at exit: an iterator that is still open then would be closed when its module is torn down. By
        then the watcher is frozen wherever it is, and would be waited for in vain.
        """
        import atexit

        opening = self._opening
        atexit.register(opening.close)
        try:
            while not opening.watch.ended:
                results: list[Any] = []
                failed, taken_over = self._stretch(results)
                yield from results
                if failed is not None:
                    raise failed
                if taken_over is not None:
                    self._engine = taken_over.stream()
                    yield from self._engine
                    return
        finally:
            atexit.unregister(opening.close)
            opening.close()

    def _stretch(self, results: list[Any]) -> tuple[BaseException | None, Any]:
        """What the stretch raised, and what has taken over."""
        try:
            return None, self._opening.stretch(results)
        except Exception as error:
            return error, None

    def plan(self) -> Plan:
        """The engine's, once it is at work."""
        if self._engine is not None:
            return self._engine.plan
        from alongside.core.choose import Plan

        return Plan("serial", 1, ("it is a plain loop: so far nothing has shown that more would be worth it.",))
