"""What a worker process works for: the function of a run, made ready to be called, until the parent ends it.

Owns the initializer's call, the seeding, and the choice between a runner of calls and a loop of coroutines. Must never
receive or send anything: the worker (child.py) does.
"""

from __future__ import annotations

from alongside.transport.contexts import context_of
from alongside.workers.runner import AT_LEISURE, HAND_OVER, Runner, caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from alongside.workers.child import Worker


class Job:
    """The function of the run a worker works for, ready to be called; what runs it, and in which context.

    `coroutines`: the loop they run in, where the function is asynchronous; it then is the `runner` too.
    """

    def __init__(self, given: tuple[Any, ...], worker: Worker, page: Any) -> None:
        *told, captured = given
        self.context = context_of(captured)
        self.coroutines: Any = None
        self.runner: Any
        self.context.run(self._make_ready, worker, page, *told)

    def _make_ready(
        self,
        worker: Worker,
        page: Any,
        fn: Any,
        star: bool,
        slots: int,
        timeout: Any,
        initializer: Any,
        initargs: Any,
        seed: Any,
        patient: bool,
    ) -> None:
        self.seed = seed
        if initializer is not None:
            initializer(*initargs)
        if slots:
            from alongside.core import model
            from alongside.workers.coroutines import Coroutines

            job = model.Job(fn, star, coroutine=True, timeout=timeout, slots=slots, seed=self.seed)
            self.runner = self.coroutines = Coroutines(job, worker, page)
        else:
            call = self._seeded(fn, caller(fn, star))
            hand_over = AT_LEISURE if patient else HAND_OVER
            self.runner = Runner(call, worker.emit, page, timeout is not None, hand_over=hand_over)

    def _seeded(self, fn: Any, call: Any) -> Any:
        if self.seed is None:
            return call
        from alongside.workers import seeding

        seeding.have_ready(fn)
        return seeding.one_at_a_time(call, self.seed)

    def close(self) -> bool:
        """False where something of it goes on, so that the worker had better not be used again."""
        if self.seed is not None:
            from alongside.workers.seeding import reseed

            reseed()
        return self.coroutines is None or bool(self.coroutines.close())
