"""Bad input is refused with what happened and what to do; what cannot be sent costs its own task and no other."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

import alongside

CALLS: dict[str, Callable[..., Any]] = {
    "map": alongside.map,
    "imap": alongside.imap,
    "run": alongside.run,
    "advise": alongside.advise,
}


def square(n: int) -> int:
    return n * n


# ------------------------------------------------------------------------------------------------- refused at once


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        ((5, [1]), {}, "5 cannot be called. Write map\\(f, items\\): first the function itself, not f\\(x\\)"),
        ((None, [1]), {}, "the first argument must be a function; None cannot be called"),
        ((square, 5), {}, "input 1 is 5, which cannot be iterated.*for a single item write \\[item\\]"),
        ((square, [1], None), {}, "input 2 is None, which cannot be iterated"),
        ((square,), {}, "nothing to run over: give at least one iterable"),
        ((square, [1]), {"retrys": 3}, "no option 'retrys'; did you mean 'retries'\\?.*Options are: backend"),
        (([1], square), {}, "\\[1\\] cannot be called. Write map\\(f, items\\)"),
        ((square, [1]), {"n_jobs": 3}, "no option 'n_jobs'; did you mean 'max_workers'.*Options are:"),
        ((square, [1]), {"processes": 3}, "no option 'processes'; did you mean 'max_workers'"),
        ((square, [1]), {"chunksize": 3}, "no option 'chunksize'; did you mean 'batch_size'"),
        ((square, [1]), {"backend": "process"}, "no backend 'process'; did you mean 'processes'\\?.*auto, serial"),
        ((square, [1]), {"backend": 4}, "no backend 4; for 4 workers write max_workers=4"),
        ((square, [1]), {"initargs": (1,)}, "are for an initializer, and none is given"),
        ((square, [1]), {"order": False}, "no option 'order'; did you mean 'ordered' \\(of imap and aimap\\)"),
        ((square, [1]), {"memory_limit": 2}, "memory_limit=2 is not a whole number of bytes.*for 2 GB write"),
        ((square, [1]), {"memory_limit": "2GB"}, "memory_limit='2GB' is not a whole number of bytes"),
        ((square, [1]), {"backoff": alongside.Backoff(base=-1)}, "backoff's base=-1 is too small"),
        ((square, [1]), {"backoff": alongside.Backoff(*"xx")}, "backoff's base='x' is not a number"),
        ((square, [1]), {"max_workers": 0}, "max_workers=0 is too small: at least 1"),
        ((square, [1]), {"max_workers": 2.0}, "max_workers=2.0 is not a whole number"),
        ((square, [1]), {"max_workers": True}, "max_workers=True is not a whole number"),
        ((square, [1]), {"batch_size": 0}, "batch_size=0 is too small"),
        ((square, [1]), {"window": "big"}, "window='big' is not a whole number"),
        ((square, [1]), {"retries": -1}, "retries=-1 is too small"),
        ((square, [1]), {"timeout": 0}, "timeout=0 is too small.*seconds"),
        ((square, [1]), {"timeout": "5"}, "timeout='5' is not a number of seconds"),
        ((square, [1]), {"timeout": float("nan")}, "timeout=nan is not a number"),
        ((square, [1]), {"on_error": "ignore"}, "on_error='ignore' is not one of 'raise', 'return', 'skip'"),
        ((square, [1]), {"retry_on": "OSError"}, "retry_on='OSError' is not an exception class"),
        ((square, [1]), {"retry_on": int}, "retry_on=<class 'int'> is not an exception class"),
        ((square, [1]), {"retry_on": (OSError, 5)}, "retry_on=.* is not an exception class, a tuple of them"),
        ((square, [1]), {"backoff": "long"}, "backoff='long' is not seconds, a Backoff, or a function"),
        ((square, [1]), {"backoff": -1}, "backoff=-1 is too small"),
        ((square, [1]), {"initializer": 5}, "initializer=5 cannot be called"),
        ((square, [1]), {"initializer": square, "initargs": 5}, "initargs=5 is not a tuple.*initargs=\\(x,\\)"),
    ],
)
def test_a_wrong_call(call: str, arguments: tuple[Any, ...], options: dict[str, Any], said: str) -> None:
    with pytest.raises(alongside.OptionError, match=said):
        CALLS[call](*arguments, **options)


def test_an_option_of_another_call() -> None:
    with pytest.raises(alongside.OptionError, match="'ordered' is no option of this call: imap and aimap have it"):
        alongside.map(square, [1], ordered=False)


def test_a_limit_without_a_name() -> None:
    with pytest.raises(alongside.OptionError, match="Limit\\(concurrency=5\\) for tasks at once, Limit\\(per_second=5"):
        alongside.Limit(5)


@pytest.mark.parametrize("sample", [0, "x", 2.5, True])
def test_a_sample_that_is_no_number_of_items(sample: Any) -> None:
    with pytest.raises(alongside.OptionError, match="give a whole number of items"):
        alongside.compare(square, [1, 2], sample=sample)


def test_modules_that_one_would_not_think_of_importing() -> None:
    program = "import alongside; print(alongside.futures.ProcessPoolExecutor.__name__, alongside.testing.__name__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("ProcessPoolExecutor alongside.testing\n", "")


def test_option_errors_are_value_errors() -> None:
    assert issubclass(alongside.OptionError, ValueError)
    assert issubclass(alongside.OptionError, alongside.AlongsideError)


def test_an_async_input_in_ordinary_code() -> None:
    async def items() -> Any:
        yield 1

    source = items()
    with pytest.raises(alongside.OptionError, match="async iterable: use alongside.amap"):
        alongside.map(square, source)


def test_gather_of_a_result() -> None:
    with pytest.raises(alongside.OptionError, match="argument 1 of gather is 4, not a function; write lambda: f"):
        alongside.gather(lambda: 1, square(2))  # type: ignore[arg-type]  # the mistake


def test_an_option_as_a_second_input_is_told_apart() -> None:
    with pytest.raises(alongside.OptionError, match="input 2 is 4"):
        alongside.map(square, [1, 2], 4)  # type: ignore[arg-type]  # Pool's chunksize


# ----------------------------------------------------------------------------------------------- what cannot be sent


class Session:
    """Something with a lock deep inside, as a client of a service has."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.pool = {"lock": threading.Lock()}


def name_of(thing: Any) -> str:
    return str(getattr(thing, "name", thing))


def make(n: int) -> Any:
    return Session(str(n)) if n == 2 else n


class Unspeakable(Exception):
    """An exception that cannot leave its process."""

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.lock = threading.Lock()


def fail(n: int) -> int:
    if n == 2:
        raise Unspeakable(n)
    return n


def test_an_item_that_cannot_be_sent_costs_its_own_task() -> None:
    items = ["a", "b", Session("c"), "d", "e"]
    run = alongside.run(name_of, items, backend="processes")
    assert [outcome.value for outcome in run.outcomes] == ["a", "b", None, "d", "e"]
    (failure,) = run.failures
    assert isinstance(failure.exception, alongside.NotPicklable)
    assert failure.item is items[2]
    assert "pool['lock'] is a _thread.lock" in str(failure.exception)
    assert failure.exception.remedy


def test_a_result_that_cannot_be_sent_costs_its_own_task() -> None:
    run = alongside.run(make, range(5), backend="processes")
    assert [outcome.value for outcome in run.outcomes] == [0, 1, None, 3, 4]
    (failure,) = run.failures
    assert isinstance(failure.exception, alongside.NotPicklable)
    assert "pool['lock'] is a _thread.lock" in str(failure.exception)
    assert (failure.index, failure.item) == (2, 2)
    assert failure.exception.remedy


def test_an_exception_that_cannot_be_sent_still_says_what_happened() -> None:
    run = alongside.run(fail, range(5), backend="processes")
    assert [outcome.value for outcome in run.outcomes] == [0, 1, None, 3, 4]
    (failure,) = run.failures
    assert "Unspeakable" in repr(failure.exception) or type(failure.exception).__name__ == "Unspeakable"
    assert (failure.index, failure.item) == (2, 2)


@pytest.mark.parametrize("call", ["map", "run", "imap"])
def test_a_function_that_cannot_be_sent_ends_the_run_at_once(call: str) -> None:
    session = Session("x")

    def uses_session(n: int) -> str:
        return f"{session.name} {n}"

    with pytest.raises(alongside.NotPicklable, match="session") as caught:
        list(CALLS[call](uses_session, range(5), backend="processes"))
    assert "pool['lock']" in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("backend", ["serial", "threads", "asyncio", "auto"])
def test_where_nothing_is_sent_nothing_needs_to_be(backend: str) -> None:
    items = [Session("a"), Session("b")]
    assert alongside.map(name_of, items, backend=backend) == ["a", "b"]
    assert alongside.map(make, [2], backend=backend)[0].name == "2"


class Unbuildable:
    """Can be pickled, but not rebuilt."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __reduce__(self) -> Any:
        return (rebuild, (self.n,)) if self.n == 2 else (Unbuildable, (self.n,))


def rebuild(n: int) -> Any:
    raise ZeroDivisionError(f"cannot rebuild {n}")


def number(thing: Unbuildable) -> int:
    return thing.n


def test_an_item_that_cannot_be_rebuilt_costs_its_own_task() -> None:
    run = alongside.run(number, map(Unbuildable, range(5)), backend="processes", batch_size=5)
    assert [outcome.value for outcome in run.outcomes] == [0, 1, None, 3, 4]
    assert isinstance(run.failures[0].exception, ZeroDivisionError)
    assert run.failures[0].item.n == 2


def test_a_result_that_cannot_be_rebuilt_costs_its_own_task() -> None:
    run = alongside.run(Unbuildable, range(5), backend="processes", batch_size=5)
    assert [outcome.ok for outcome in run.outcomes] == [True, True, False, True, True]
    assert isinstance(run.failures[0].exception, ZeroDivisionError)


def test_a_repr_that_raises_hides_no_failure() -> None:
    class Shy:
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    def fails(_: Any) -> None:
        raise KeyError("the failure itself")

    for backend in ("serial", "threads", "auto"):
        with pytest.raises(KeyError, match="the failure itself") as caught:
            alongside.map(fails, [Shy()], backend=backend)
        assert "whose repr raised RuntimeError" in caught.value.__notes__[-1]
        assert "Shy" in repr(alongside.run(fails, [Shy()], backend=backend).failures[0])
