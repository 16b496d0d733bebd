"""Reproducible randomness: each task's generators begin where the run's seed and the task's index say.

Owns what is done to the generators that a program shares: those behind `random.random()` and its kin, behind
`numpy.random.rand()` and its kin, and torch's. Loaded only by runs with a seed. Must never leave the generators of the
user's own program other than it found them.

Where one task at a time runs (a plain loop, a worker process) the shared generators are seeded before each task. In a
plain loop, which runs in the user's process, they are put back after each batch; a worker process gets fresh ones when
the run is over. Where tasks run side by side in one process (threads, coroutines) the shared generators cannot be one
task's: there the *functions* of `random` and `numpy.random` are exchanged, wherever a module holds one by name, for
such as use the generator of the task that calls them. They are put back when the last such run ends. torch's generator
cannot be exchanged: it is left alone there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from threading import Lock
from types import CodeType

from alongside.core.seeding import derive, words
from alongside.transport.names import names_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_current: ContextVar[Task | None] = ContextVar("alongside_task", default=None)

LATER = ("numpy.random", "torch")
"""Modules with a shared generator that the function may import while it runs: they are imported before."""


def task_seed() -> int | None:
    """The seed of the task that runs here: 128 bits that depend on the run's `seed` and the task's index only.

    For generators of one's own: `numpy.random.default_rng(alongside.task_seed())`. None outside of tasks and in runs
    without a seed, for which such a generator takes its numbers from the system.

    >>> import alongside
    >>> alongside.map(lambda _: alongside.task_seed() is None, [0, 1])
    [True, True]
    >>> once = alongside.map(lambda _: alongside.task_seed(), range(3), seed=1)
    >>> once == alongside.map(lambda _: alongside.task_seed(), range(3), seed=1, backend="threads")
    True
    """
    task = _current.get()
    return None if task is None else task.seed


class Task:
    """The randomness of one task. Its own generators are made when they are first asked for."""

    __slots__ = ("_own", "seed")

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._own: dict[str, Any] = {}

    def own(self, module: str) -> Any:
        """Its generator in the place of a module's shared one."""
        if module not in self._own:
            self._own[module] = _MAKE[module](self.seed)
        return self._own[module]


def one_at_a_time(call: Callable[[Any], Any], seed: int) -> Callable[[tuple[int, Any]], Any]:
    """`call`, for items that come with their index, with the shared generators seeded before."""

    def seeded(entry: tuple[int, Any]) -> Any:
        index, item = entry
        task = derive(seed, index)
        token = _current.set(Task(task))
        try:
            reseed(task)
            return call(item)
        finally:
            _current.reset(token)

    return seeded


def side_by_side(call: Callable[[Any], Any], seed: int) -> Callable[[tuple[int, Any]], Any]:
    """The same where others run in this process: in the context of the task alone."""

    def seeded(entry: tuple[int, Any]) -> Any:
        index, item = entry
        _current.set(Task(derive(seed, index)))
        return call(item)

    return seeded


def reseed(seed: int | None = None) -> None:
    """Seed the shared generators; from the system's randomness where no seed is given."""
    import random

    random.seed(seed)
    numpy, torch = _loaded()
    if numpy is not None:
        numpy.seed(None if seed is None else words(seed))
    if torch is not None:
        torch.manual_seed(torch.seed() if seed is None else seed % (1 << 63))


@contextmanager
def put_back() -> Iterator[None]:
    """What is inside may seed the shared generators; afterwards they are as they were."""
    import random

    numpy, torch = _loaded()
    state = random.getstate()
    numpy_state = None if numpy is None else numpy.get_state()
    torch_state = None if torch is None else torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(state)
        if numpy is not None:
            numpy.set_state(numpy_state)
        if torch is not None:
            torch.set_rng_state(torch_state)


def have_ready(fn: Any) -> None:
    """Import now what the function may import later and what has a shared generator: it could not be seeded then.

    `numpy` itself loads `numpy.random` only when that is first used.
    """
    code = getattr(getattr(fn, "__func__", fn), "__code__", None)
    names = set(names_in(code) if isinstance(code, CodeType) else ())
    for module in LATER:
        package = module.partition(".")[0]
        if package in names or package in sys.modules:
            try:
                __import__(module)
            except ImportError:
                continue  # the function will say so, where it can be heard


def _loaded() -> tuple[Any, Any]:
    """numpy.random and torch, where the program has them."""
    return sys.modules.get("numpy.random"), sys.modules.get("torch")


# ------------------------------------------------------------------------------------------- tasks side by side


def _own_random(seed: int) -> Any:
    from random import Random

    return Random(seed)


def _own_numpy(seed: int) -> Any:
    from numpy.random import RandomState

    return RandomState(words(seed))


_MAKE = {"random": _own_random, "numpy.random": _own_numpy}
_SHARED: dict[str, Callable[[], Any]] = {
    "random": lambda: sys.modules["random"]._inst,
    "numpy.random": lambda: sys.modules["numpy.random"].mtrand._rand,
}
_ALIASES = {"ranf": "random_sample", "sample": "random_sample"}
"""Names of functions of numpy.random that are not methods of its generators."""


class _Exchange:
    """The functions of the shared generators, exchanged while runs need it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._runs = 0
        self._before: list[tuple[dict[str, Any], str, Any]] = []

    def begin(self, fn: Any) -> None:
        """One more run, of `fn`, has tasks side by side."""
        import random  # noqa: F401  # it is to be exchanged, whoever imports it later

        have_ready(fn)
        with self._lock:
            self._runs += 1
            if self._runs == 1:
                self._exchange()

    def end(self) -> None:
        """One run fewer."""
        with self._lock:
            self._runs -= 1
            if self._runs == 0:
                for names, name, function in self._before:
                    names[name] = function
                self._before = []

    def _exchange(self) -> None:
        ours: dict[int, Any] = {}
        for module, shared in _SHARED.items():
            if module in sys.modules:
                instance = shared()
                for name, function in vars(sys.modules[module]).items():
                    method = name if hasattr(instance, name) else _ALIASES.get(name, name)
                    if _draws(function, instance, method):
                        ours[id(function)] = partial(_drawn, module, method, function)
        for loaded in list(sys.modules.values()):
            names = getattr(loaded, "__dict__", {})
            for name, value in list(names.items()):
                if id(value) in ours:
                    self._before.append((names, name, value))
                    names[name] = ours[id(value)]


def _draws(function: Any, instance: Any, method: str) -> bool:
    """Whether a name of the module stands for a method of its shared generator, or is a function that calls it."""
    if getattr(function, "__self__", None) is instance:
        return True
    return callable(function) and not isinstance(function, type) and callable(getattr(instance, method, None))


def _drawn(module: str, name: str, shared: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Call a function of the generator of the task that runs here; of the shared one where none does."""
    task = _current.get()
    return shared(*args, **kwargs) if task is None else getattr(task.own(module), name)(*args, **kwargs)


_exchange = _Exchange()
exchange, exchange_back = _exchange.begin, _exchange.end
