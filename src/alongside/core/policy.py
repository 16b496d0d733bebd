"""What the user asked for, as far as scheduling cares.

Owns the policy of a run, the bound of its window where none was given, and the thresholds that are the same for all
runs. Must never look at what is going on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from alongside.core.limits import Gate
from alongside.core.lines import Call
from alongside.core.options import Options
from alongside.core.retry import RetryPolicy
from alongside.light import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LAZY_WINDOW = 16_384
"""Tasks taken from the input but not yet taken by the consumer, at most, where `window` is not given."""

AT_HAND = 4096
"""Tasks that are taken together of items that are there already: each taking costs what deciding about a batch does."""

EAGER_WINDOW = 1 << 20
"""The same for a consumer that keeps every outcome anyway (`map`, `run`): tasks not yet finished, at most."""

BARREN = 20
"""Workers that may end one after another, with no task in hand and no result in between, before the run is given up
(two more for each that there may be): it seems that none can be made ready."""

TIGHT, CRITICAL = 0.10, 0.05
"""Shares of the memory free below which nothing more is sent, and below which the youngest task is stopped."""

HIRES, HIRE_AGAIN = 4, 0.001
"""Workers hired at the first go (fewer where there are fewer CPUs), and seconds until as many again as there are then
may be hired, if those are still busy: what was sent may be done by then."""

HIRE_MORE = 0.003
"""The same where every CPU has a worker: the first results of a call, which tell whether more would bring anything, are
there after one or two milliseconds."""

BRIEF = 0.00005
"""Seconds that a task lasts at the least if it waits for anything: of briefer ones a CPU is all that another worker
could bring, and where every CPU has one it would only take turns with them."""

SILENCE = 0.05
"""Seconds without a result after which such tasks are not thought to be that brief any more."""

WORTH_HIRING = 0.0005
"""Seconds of work that must be left for each worker there is, before another is hired."""

WORTH_AHEAD = 0.25
"""Seconds that a batch is expected to last, above which the next one is not sent ahead of its turn: of so long a one
the 2 to 4 ms are nothing that its worker would have to wait for the next."""

RECALL = 0.012
"""Seconds from its sending after which the rest of a batch is had back from its worker, where another has nothing to
do: half as long again as a batch should last for whose results somebody waits."""

OVERTAKEN = 0.5
"""The same of a batch that was sent ahead of its turn, where all others have something to do: for so long may those
that are sent after it overtake it."""

LOOK_AT_MEMORY = 0.05
"""Seconds between two looks at what the workers hold, where there is a memory limit."""


def of_one(item: Any) -> Call:
    """The call of a function that takes the item itself."""
    return (item,), {}


def of_several(item: tuple[Any, ...]) -> Call:
    """The call of a function that takes what is in the item."""
    return item, {}


def told(item: Any, call: Callable[[Any], Call]) -> Any:
    """What an error tells of a task: its item; of an executor's, which stands for a function too, only the arguments.

    >>> told(3, of_one), told(("fn", (3,), {}), lambda task: task[1:])
    (3, 3)
    """
    if call in (of_one, of_several):
        return item
    arguments, named = call(item)
    if named:
        return arguments, named
    return arguments[0] if len(arguments) == 1 else arguments


@dataclass(slots=True)
class Policy:
    """The options of a run in the coordinator's terms.

    `eager`: the consumer keeps every outcome as it comes. `patient`: nobody looks at any of them before all are there.
    `at_hand`: the items are there already, so that taking more of them costs nothing.
    `call` gives the arguments, positional and by name, with which the user's function is called for an item.
    """

    ordered: bool = True
    eager: bool = True
    patient: bool = False
    at_hand: bool = False
    stop_at_failure: bool = True
    timeout: float | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    batch_size: int | None = None
    window: int | None = None
    total: int | None = None
    tasks_per_worker: int | None = None
    memory_limit: int | None = None
    numbered: bool = False
    """Whether what a task does depends on its number."""
    limits: Sequence[Gate] = ()
    call: Callable[[Any], Call] = of_one

    @classmethod
    def of(cls, options: Options, **run: Any) -> Policy:
        """What the options ask for, and what `run` says about this run."""
        return cls(
            stop_at_failure=options.on_error == "raise",
            timeout=options.timeout,
            batch_size=options.batch_size,
            window=options.window,
            tasks_per_worker=options.tasks_per_worker,
            memory_limit=options.memory_limit,
            numbered=options.seed is not None,
            limits=options.limits,
            **run,
        )

    @property
    def watches_tasks(self) -> bool:
        """Whether single tasks are numbered, kept in order, timed, or counted against their worker."""
        limits = (self.timeout, self.memory_limit, self.tasks_per_worker)
        return self.ordered or self.numbered or bool(self.limits) or any(limit is not None for limit in limits)

    @property
    def bound(self) -> int:
        """How many tasks may be held at most."""
        return self.window or (EAGER_WINDOW if self.eager else LAZY_WINDOW)
