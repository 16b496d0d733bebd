"""Exceptions across a border: they arrive as themselves, with their traceback; and alongside's own errors."""

from __future__ import annotations

import copy
import email.message
import json
import linecache
import os
import pickle
import subprocess
import sys
import tempfile
import textwrap
import threading
import types
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError

import pytest
from hypothesis import given
from hypothesis import strategies as st

import alongside
import alongside.exceptions
from alongside.core.retry_after import asked_for
from alongside.exceptions import (
    AlongsideError,
    AlongsideWarning,
    BackendUnavailable,
    InternalError,
    JournalError,
    MemoryLimitExceeded,
    NotPicklable,
    OptionError,
    TaskTimeout,
    WorkerLost,
)
from alongside.transport.errors import MAX_EXCEPTIONS, MAX_FRAMES, MAX_TEXT, decode, encode


def _raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:
        return caught


def _there_and_back(error: BaseException) -> Any:
    return decode(encode(error, where="worker 7"))


# -- exceptions that pickle alone would lose, spoil or refuse -------------------------------------------------------


class TwoArguments(Exception):
    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first}{second}")
        self.first = first
        self.second = second


class DoublesItsMessage(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(f"failed: {reason}")


class KeywordOnly(Exception):
    def __init__(self, *, status: int) -> None:
        super().__init__()
        self.status = status

    def __str__(self) -> str:
        return f"status {self.status}"


class Slotted(Exception):
    __slots__ = ("__hidden", "shown")

    def __init__(self, value: int) -> None:
        self.shown = self.__hidden = value

    def hidden(self) -> int:
        return self.__hidden


class NeedsArgumentsInNew(Exception):
    def __new__(cls, needed: int) -> Self:
        return super().__new__(cls)

    def __init__(self, needed: int) -> None:
        super().__init__("made")


class ReadOnly(Exception):
    def __init__(self) -> None:
        super().__init__("read only")
        self.__dict__["value"] = 3

    def __setattr__(self, name: str, value: object) -> None:
        raise RuntimeError("read only")


class OwnReduce(Exception):
    def __init__(self, code: int, *, detail: str) -> None:
        super().__init__(f"{code} {detail}")
        self.code = code
        self.detail = detail

    def __reduce__(self) -> tuple[Any, ...]:
        return _make_own_reduce, (self.code, self.detail)


def _make_own_reduce(code: int, detail: str) -> OwnReduce:
    return OwnReduce(code, detail=detail)


class WrongReduce(Exception):
    def __init__(self, first: int, second: int) -> None:
        super().__init__(first, second)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (1,)


class ReduceLosesTheType(Exception):
    def __reduce__(self) -> tuple[Any, ...]:
        return ValueError, self.args


class ReduceLeaves(Exception):
    def __reduce__(self) -> tuple[Any, ...]:
        raise SystemExit(3)


class MyOSError(OSError):
    def __init__(self, path: str) -> None:
        super().__init__(5, "broken", path)
        self.path = path


class MyUnicodeError(UnicodeEncodeError): ...


class Both(KeyError, AttributeError): ...


class MyGroup(ExceptionGroup[Exception]):
    code = 0

    def __new__(cls, code: int, errors: list[Exception]) -> Self:
        group = super().__new__(cls, f"code {code}", errors)
        group.code = code
        return group


def _import_error() -> BaseException:
    return ImportError("no", name="name", path="path")


def _syntax_error() -> BaseException:
    try:
        compile("a b", "file.py", "exec")
    except SyntaxError as error:
        return error
    raise AssertionError


def _attribute_error() -> BaseException:
    try:
        return threading.no_such_name  # type: ignore[attr-defined,no-any-return]
    except AttributeError as error:
        return error


def _name_error() -> BaseException:
    try:
        return no_such_name  # type: ignore[name-defined,no-any-return]
    except NameError as error:
        return error


def _json_error() -> BaseException:
    try:
        json.loads("{")
    except json.JSONDecodeError as error:
        return error
    raise AssertionError


def _changed_os_error() -> BaseException:
    error = OSError(2, "gone", "file", None, "other")
    error.errno = 99
    return error


_TRAVELLERS = [
    lambda: ValueError(),
    lambda: ValueError("one", 2, None),
    lambda: KeyError("key"),
    lambda: TwoArguments(1, 2),
    lambda: DoublesItsMessage("x"),
    lambda: KeywordOnly(status=404),
    lambda: Slotted(5),
    lambda: NeedsArgumentsInNew(5),
    lambda: ReadOnly(),
    lambda: OwnReduce(1, detail="x"),
    lambda: WrongReduce(1, 2),
    lambda: ReduceLosesTheType("x"),
    lambda: ReduceLeaves("x"),
    lambda: OSError(2, "gone", "file", None, "other"),
    lambda: OSError("only text"),
    lambda: BlockingIOError(11, "busy", 5),
    lambda: ConnectionResetError(104, "reset"),
    lambda: MyOSError("/nowhere"),
    lambda: UnicodeDecodeError("utf-8", b"abc\xff", 3, 4, "bad byte"),
    lambda: MyUnicodeError("ascii", "é", 0, 1, "not ascii"),
    lambda: StopIteration(5),
    lambda: SystemExit(3),
    lambda: SystemExit("bye"),
    lambda: KeyboardInterrupt(),
    lambda: GeneratorExit(),
    lambda: MemoryError("all"),
    lambda: RecursionError("deep"),
    lambda: Both("x"),
    _import_error,
    _syntax_error,
    _name_error,
    _json_error,
    _changed_os_error,
    lambda: subprocess.CalledProcessError(3, ["cmd"], b"out", b"err"),
    lambda: OptionError("no such option"),
    lambda: BackendUnavailable("dask", "pip install distributed"),
    lambda: WorkerLost(pid=5, signal=9, index=3, item="x"),
    lambda: TaskTimeout(2.5, 4),
    lambda: MemoryLimitExceeded(limit=10**9, used=2 * 10**9, index=4),
    lambda: NotPicklable("item", "item.lock", "a lock", "Leave it."),
    lambda: JournalError("not yours"),
    lambda: InternalError("oh"),
]

_FIELDS: tuple[str, ...] = (
    "errno",
    "strerror",
    "filename",
    "filename2",
    "name",
    "path",
    "msg",
    "lineno",
    "offset",
    "text",
    "code",
)
_FIELDS += ("value", "encoding", "object", "start", "end", "reason", "characters_written", "shown", "doc", "pos")


def _state(error: BaseException) -> dict[str, object]:
    state: dict[str, object] = {name: getattr(error, name, None) for name in _FIELDS}
    state |= {name: value for name, value in vars(error).items() if name != "__notes__"}
    return {"type": type(error), "args": error.args, "text": str(error), "state": state}


@pytest.mark.parametrize("make", _TRAVELLERS, ids=lambda make: repr(make())[:40])
def test_an_exception_arrives_as_itself(make: Callable[[], BaseException]) -> None:
    error = _raised(make())
    vars(error)["__notes__"] = ["a note"]
    expected = _state(error)
    back = _there_and_back(error)

    assert _state(back) == expected
    assert _state(error) == expected
    assert error.__notes__ == ["a note"]
    assert back.__notes__[0] == "a note"
    assert back.__notes__[1].startswith("Traceback in worker 7 (most recent call last):\n")
    assert "raise error from cause" in back.__notes__[1]


def test_private_slots_arrive() -> None:
    back = _there_and_back(Slotted(5))
    assert isinstance(back, Slotted)
    assert back.hidden() == 5


def test_what_the_missing_attribute_belonged_to_stays_behind() -> None:
    back = _there_and_back(_attribute_error())
    assert type(back) is AttributeError
    assert back.name == "no_such_name"
    assert back.obj is None


def test_an_exception_never_raised_has_no_traceback_note() -> None:
    assert not hasattr(_there_and_back(ValueError("x")), "__notes__")


_arguments = st.recursive(
    st.none() | st.integers() | st.text() | st.binary() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
    max_leaves=10,
)


@given(st.lists(_arguments, max_size=4), st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), _arguments))
def test_any_arguments_and_attributes_arrive(args: list[object], attributes: dict[str, object]) -> None:
    error = TwoArguments(1, 2)
    error.args = tuple(args)
    error.__dict__.update(attributes)
    back = _there_and_back(error)

    assert back.args == error.args
    assert vars(back) == vars(error)


# -- linked exceptions ----------------------------------------------------------------------------------------------


@given(st.data())
def test_any_web_of_causes_and_contexts_arrives(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 8))
    places = st.none() | st.integers(0, count - 1)
    errors: list[Exception] = [ValueError(place) for place in range(count)]
    for error in errors:
        for link in ("__cause__", "__context__"):
            place = data.draw(places)
            setattr(error, link, None if place is None else errors[place])
        error.__suppress_context__ = data.draw(st.booleans())
    assert _web(_there_and_back(errors[0])) == _web(errors[0])


def _web(error: BaseException) -> list[object]:
    seen: list[BaseException] = [error]
    web: list[object] = []
    for current in seen:
        for linked in (current.__cause__, current.__context__):
            if linked is not None and not any(linked is one for one in seen):
                seen.append(linked)
            web.append(next((place for place, one in enumerate(seen) if one is linked), None))
        web += [type(current), current.args, current.__suppress_context__]
    return web


def test_a_long_chain_is_cut_and_says_so() -> None:
    error: BaseException | None = None
    for place in range(10 * MAX_EXCEPTIONS):
        error = _raised(ValueError(place), error)
    assert error is not None
    back = _there_and_back(error)

    length = 0
    last = back
    while last.__cause__ is not None:
        last, length = last.__cause__, length + 1
    assert length == MAX_EXCEPTIONS - 1
    assert "1 linked exceptions were left out" in last.__notes__[-1]


def test_groups_arrive_with_their_members_links_and_notes() -> None:
    inner = ExceptionGroup("inner", [TwoArguments(1, 2), ValueError("v")])
    _raised(inner.exceptions[0], KeyError("cause"))
    inner.exceptions[1].add_note("noted")
    group = _raised(BaseExceptionGroup("outer", [inner, KeyboardInterrupt()]))
    back = _there_and_back(group)

    assert isinstance(back, BaseExceptionGroup)
    assert (back.message, type(back.exceptions[1])) == ("outer", KeyboardInterrupt)
    assert isinstance(back.exceptions[0], ExceptionGroup)
    two, value = back.exceptions[0].exceptions
    assert (type(two), two.args, type(two.__cause__)) == (TwoArguments, ("12",), KeyError)
    assert value.__notes__ == ["noted"]
    assert back.__notes__[0].startswith("Traceback in worker 7")


def test_a_group_with_its_own_constructor_arrives() -> None:
    back = _there_and_back(MyGroup(4, [ValueError(1)]))
    assert (type(back), back.message, back.code, len(back.exceptions)) == (MyGroup, "code 4", 4, 1)


def test_a_group_larger_than_the_limit_keeps_its_first_members() -> None:
    back = _there_and_back(ExceptionGroup("many", [ValueError(i) for i in range(2 * MAX_EXCEPTIONS)]))
    assert [member.args for member in back.exceptions] == [(i,) for i in range(MAX_EXCEPTIONS - 1)]
    assert f"{MAX_EXCEPTIONS + 1} linked exceptions were left out" in back.__notes__[-1]


def test_groups_nested_beyond_the_limit_arrive() -> None:
    error: Exception = ValueError("innermost")
    for depth in range(2 * MAX_EXCEPTIONS):
        error = ExceptionGroup(str(depth), [error])
    back = _there_and_back(error)
    assert isinstance(back, ExceptionGroup)
    assert back.message == str(2 * MAX_EXCEPTIONS - 1)


def test_exceptions_held_by_exceptions_arrive_as_the_same_ones() -> None:
    reason = TwoArguments(1, 2)
    error = _raised(ValueError("outer", reason), reason)
    error.me, error.reason = error, reason  # type: ignore[attr-defined]
    back = _there_and_back(error)

    assert type(back.__cause__) is TwoArguments
    assert back.args[1] is back.__cause__ is back.reason
    assert back.me is back


def test_exceptions_in_a_list_or_dict_of_an_exception_arrive() -> None:
    several = [TwoArguments(1, 2), TwoArguments(3, 4)]
    error = ValueError("several", tuple(several))
    error.errors, error.by_name = several, {"first": several[0]}  # type: ignore[attr-defined]
    back = _there_and_back(error)

    assert [one.args for one in back.errors] == [("12",), ("34",)]
    assert back.args[1] == tuple(back.errors)
    assert back.by_name["first"] is back.errors[0]
    assert error.args[1] == tuple(several)


# -- exceptions that cannot travel ----------------------------------------------------------------------------------


class HoldsALock(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.response = types.SimpleNamespace(guard=threading.Lock())


BEHIND = "left behind in the worker, since it cannot be pickled (an attribute is None here): "


def test_an_exception_arrives_as_itself_without_what_cannot_travel() -> None:
    error = _raised(HoldsALock("the server said no"), TwoArguments(1, 2))
    vars(error)["status"] = 503
    error.add_note("while fetching")
    back = _there_and_back(error)

    assert (type(back), back.args, back.status) == (HoldsALock, ("the server said no",), 503)
    assert back.response is None
    assert type(back.__cause__) is TwoArguments
    assert back.__notes__[0] == "while fetching"
    assert "raise error from cause" in back.__notes__[1]
    assert back.__notes__[2] == BEHIND + "response (types.SimpleNamespace)"
    assert vars(error)["response"] is not None, "the one in hand is not changed"


def test_an_argument_that_cannot_travel_is_a_text() -> None:
    back = _there_and_back(ValueError("x", [threading.Lock()]))
    assert (type(back), back.args) == (ValueError, ("x", "<list, left in the worker>"))
    assert back.__notes__ == [BEHIND + "args[1] (list)"]


class HoldsALockInASlot(Exception):
    __slots__ = ("guard", "status")

    guard: object
    status: int


def test_a_slot_that_cannot_travel_is_not_set() -> None:
    error = HoldsALockInASlot("x")
    error.guard, error.status = threading.Lock(), 503
    back = _there_and_back(error)
    assert (type(back), back.status, hasattr(back, "guard")) == (HoldsALockInASlot, 503, False)
    assert back.__notes__ == [BEHIND + "guard (_thread.lock)"]


def test_an_error_of_urllib_arrives_without_its_connection() -> None:
    headers = email.message.Message()
    headers["Retry-After"] = "7"
    connection = tempfile.TemporaryFile()  # noqa: SIM115  (the error closes it)
    with HTTPError("http://localhost", 429, "Too Many Requests", headers, connection) as error:
        back = _there_and_back(error)
    assert (type(back), back.code, back.fp, str(back)) == (HTTPError, 429, None, "HTTP Error 429: Too Many Requests")
    assert asked_for(back, now=0.0) == 7.0
    assert not hasattr(back, "retry_after")


class HasAResponse(Exception):
    def __init__(self, **response: object) -> None:
        super().__init__("no")
        self.response: object = types.SimpleNamespace(**response)


def test_what_the_server_asked_for_arrives_without_the_response_that_said_so() -> None:
    back = _there_and_back(HasAResponse(headers={"Retry-After": "3"}, guard=threading.Lock()))
    assert back.response is None
    assert (back.retry_after, asked_for(back, now=0.0)) == (3.0, 3.0)


def _of_a_class_that_cannot_travel(text: str) -> Exception:
    class Local(Exception):
        guard = threading.Lock()

    return Local(text)


def test_an_exception_whose_class_cannot_travel_arrives_as_a_report_of_itself() -> None:
    error = _raised(_of_a_class_that_cannot_travel("the server said no"), TwoArguments(1, 2))
    error.add_note("while fetching")
    back = _there_and_back(error)

    assert isinstance(back, NotPicklable)
    assert back.reason == "a _thread.lock"
    assert "Local: the server said no" in str(back)
    assert back.__notes__[0] == "while fetching"
    assert "raise error from cause" in back.__notes__[1]
    assert type(back.__cause__) is TwoArguments


def test_a_linked_exception_that_cannot_travel_does_not_hold_up_the_others() -> None:
    back = _there_and_back(_raised(ValueError("fine"), _of_a_class_that_cannot_travel("not fine")))
    assert type(back) is ValueError
    assert isinstance(back.__cause__, NotPicklable)


class FailsToLoad:
    refuse: BaseException | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _load_or_fail, ()


def _load_or_fail() -> FailsToLoad:
    if FailsToLoad.refuse is not None:
        raise FailsToLoad.refuse
    return FailsToLoad()


@pytest.mark.parametrize("refuse", [RuntimeError("not in this process"), SystemExit(4), TwoArguments(1, 2)])
def test_an_exception_that_cannot_be_rebuilt_arrives_as_a_report(
    monkeypatch: pytest.MonkeyPatch, refuse: BaseException
) -> None:
    data = encode(_raised(ValueError("text", FailsToLoad())), where="worker 7")
    monkeypatch.setattr(FailsToLoad, "refuse", refuse)
    back = decode(data)

    assert isinstance(back, NotPicklable)
    assert "ValueError: ('text'," in str(back)
    assert type(refuse).__name__ in back.reason
    assert "Traceback in worker 7" in back.__notes__[0]


def test_what_only_the_other_side_could_rebuild_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FailsToLoad, "refuse", RuntimeError("nowhere"))
    back = _there_and_back(ValueError("text", FailsToLoad()))
    assert (type(back), back.args[0]) == (ValueError, "text")
    assert back.args[1] == f"<{FailsToLoad.__module__}.FailsToLoad, left in the worker>"


class Hostile(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __getattr__(self, name: str) -> object:
        raise RuntimeError("no attribute")


def test_an_exception_that_answers_nothing_arrives() -> None:
    back = _there_and_back(_raised(Hostile("x")))
    assert (type(back), back.args) == (Hostile, ("x",))


class Leaves(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)

    def __reduce__(self) -> tuple[Any, ...]:
        raise MemoryError


def test_an_exception_whose_text_exits_arrives() -> None:
    assert type(_there_and_back(Leaves("x"))) is Leaves


def test_what_there_is_no_room_for_is_left_behind() -> None:
    back = _there_and_back(ValueError("text", Leaves("x"), {1: {2: Leaves()}}))
    assert (type(back), type(back.args[1])) == (ValueError, Leaves)
    assert back.args[2] == "<dict, left in the worker>"


def test_notes_that_are_no_list_do_no_harm() -> None:
    error = ValueError("x")
    vars(error)["__notes__"] = "not a list"
    back = _there_and_back(_raised(error))
    assert (type(back), back.__notes__) == (ValueError, "not a list")


@pytest.mark.parametrize("data", [b"", b"garbage", pickle.dumps([]), pickle.dumps(5), pickle.dumps([1])])
def test_bytes_that_are_no_exception_are_a_bug_of_ours(data: bytes) -> None:
    assert isinstance(decode(data), InternalError)


# -- tracebacks -----------------------------------------------------------------------------------------------------


def test_a_deep_traceback_is_bounded() -> None:
    def down(depth: int) -> None:
        if depth:
            other(depth - 1)
        raise ValueError("bottom")

    def other(depth: int) -> None:
        down(depth)

    try:
        down(200)
    except ValueError as error:
        note = _there_and_back(error).__notes__[0]
    else:
        raise AssertionError
    assert len(note) < MAX_TEXT + 100
    assert "left out" in note
    assert note.count("\n") < 4 * MAX_FRAMES
    assert 'raise ValueError("bottom")' in note


def test_long_texts_are_bounded_where_they_are_quoted_only() -> None:
    assert len(str(_there_and_back(ValueError("x" * 100_000)))) == 100_000
    assert len(str(_there_and_back(_of_a_class_that_cannot_travel("x" * 100_000)))) < MAX_TEXT + 1000


def test_an_exception_that_crosses_two_borders_has_two_notes() -> None:
    once = decode(encode(_raised(ValueError("x")), where="worker 7"))
    twice = decode(encode(_raised(once), where="worker 8"))
    assert [note.partition(" (")[0] for note in twice.__notes__] == ["Traceback in worker 7", "Traceback in worker 8"]


def test_frames_of_alongside_above_the_function_are_left_out() -> None:
    namespace: dict[str, object] = {"__name__": "alongside.workers.pretended"}
    exec("def call(function):\n    function()", namespace)

    def fail() -> None:
        raise ValueError("x")

    try:
        namespace["call"](fail)  # type: ignore[operator]
    except ValueError as error:
        trace = error.__traceback__
        assert trace is not None
        error.__traceback__ = trace.tb_next
        note = _there_and_back(error).__notes__[0]
    else:
        raise AssertionError
    assert "in fail" in note
    assert "in call" not in note


def test_code_that_only_this_process_knows_is_shown() -> None:
    """The cells of a notebook, and what was typed at the prompt."""
    source = "def typed():\n    raise ValueError('x')\n\ndef caller():\n    typed()\n"
    namespace: dict[str, Any] = {}
    exec(compile(source, "<cell 1>", "exec"), namespace)
    try:
        namespace["caller"]()
    except ValueError as error:
        sent = encode(error, where="worker 7")
    else:
        raise AssertionError
    linecache.cache["<cell 1>"] = len(source), None, source.splitlines(keepends=True), "<cell 1>"
    try:
        note = decode(sent).__notes__[0]
    finally:
        del linecache.cache["<cell 1>"]
    lines = note.splitlines()
    assert lines[-4:] == [
        '  File "<cell 1>", line 5, in caller',
        "    typed()",
        '  File "<cell 1>", line 2, in typed',
        "    raise ValueError('x')",
    ]
    assert '  File "<cell 1>", line 5, in caller\n  File "<cell 1>"' in decode(sent).__notes__[0]


def test_our_own_code_says_nothing_of_a_value_that_cannot_be_sent() -> None:
    run = alongside.run(lambda x: (n for n in range(x)), [3], backend="processes")
    error = run.failures[0].exception
    assert isinstance(error, alongside.NotPicklable)
    assert getattr(error, "__notes__", []) == []


class Sulks:
    def __reduce__(self) -> Any:
        raise OSError("not today")


def test_code_of_the_value_that_cannot_be_sent_does() -> None:
    error = alongside.run(lambda x: Sulks(), [3], backend="processes").failures[0].exception
    assert isinstance(error, alongside.NotPicklable)
    assert isinstance(error.__cause__, OSError)
    assert "in __reduce__" in "".join(error.__cause__.__notes__)


# -- a real __main__ and a real worker ------------------------------------------------------------------------------

_PREAMBLE = '''
import subprocess, sys
from alongside.transport.pickling import dumps, loads
from alongside.transport.errors import encode, decode

CHILD = """
import sys
from alongside.transport.pickling import loads
from alongside.transport.errors import encode
try:
    loads(sys.stdin.buffer.read())()
except BaseException as error:
    sys.stdout.buffer.write(encode(error, reply=True))
"""

def there(function):
    out = subprocess.run([sys.executable, "-c", CHILD], input=dumps(function), stdout=subprocess.PIPE, check=True)
    return decode(out.stdout)

class Mine(Exception):
    retries = 0
    def __init__(self, a, b):
        super().__init__(f"{a}{b}")
        self.a = a
'''

_MAINS = {
    "of main": """
        def work():
            Mine.retries = 9
            raise Mine(1, 2) from KeyError("why")
        error = there(work)
        assert type(error) is Mine and error.args == ("12",) and error.a == 1, error
        assert Mine.retries == 0
        assert type(error.__cause__) is KeyError and error.__suppress_context__
        assert "in work" in error.__notes__[-1] and "raise Mine(1, 2)" in error.__notes__[-1]
    """,
    "group": """
        def work(): raise ExceptionGroup("g", [Mine(1, 2), ValueError(3)])
        error = there(work)
        assert [type(e) for e in error.exceptions] == [Mine, ValueError], error
    """,
    "exit": """
        error = there(lambda: sys.exit(5))
        assert type(error) is SystemExit and error.code == 5
    """,
    "interrupt": """
        def work(): raise KeyboardInterrupt
        assert type(there(work)) is KeyboardInterrupt
    """,
    "os error": """
        error = there(lambda: open("/no/such/file"))
        assert type(error) is FileNotFoundError and error.filename == "/no/such/file" and error.errno == 2
    """,
    "decode error": """
        error = there(lambda: b"\\xff".decode())
        assert type(error) is UnicodeDecodeError and error.object == b"\\xff" and error.reason == "invalid start byte"
    """,
    "made in the worker": """
        def work():
            class Local(Exception):
                def __init__(self, a, b): super().__init__(a + b)
            raise Local(1, 2)
        error = there(work)
        assert type(error).__name__ == "Local" and error.args == (3,), error
    """,
    "module that only the worker has": """
        def work():
            import sys, types
            module = sys.modules["only_there"] = types.ModuleType("only_there")
            module.__spec__ = types.SimpleNamespace(has_location=False)
            exec("class Error(Exception): pass", vars(module))
            raise module.Error("text of it")
        error = there(work)
        assert type(error).__name__ == "NotPicklable" and "only_there.Error: text of it" in str(error), error
        assert "ModuleNotFoundError" in str(error) and "in work" in error.__notes__[-1]
    """,
    "unpicklable": """
        import threading
        def work():
            error = Mine(1, 2)
            error.session = [threading.Lock()]
            raise error
        error = there(work)
        assert type(error) is Mine and error.args == ("12",) and error.session is None, error
        assert error.__notes__[-1].endswith("session (list)"), error.__notes__
    """,
}


@pytest.mark.parametrize("source", _MAINS.values(), ids=_MAINS.keys())
def test_from_a_real_worker(tmp_path: Path, source: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(_PREAMBLE + textwrap.dedent(source))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# -- alongside's own errors -----------------------------------------------------------------------------------------

_OWN: list[tuple[AlongsideError, type[BaseException], dict[str, object], str]] = [
    (OptionError("bad"), ValueError, {}, "bad"),
    (
        BackendUnavailable("dask", 'pip install "alongside[dask]"'),
        ImportError,
        {"backend": "dask", "install": 'pip install "alongside[dask]"'},
        "backend 'dask' cannot be used here: a package it needs is not installed. Install it with: pip install \"along",
    ),
    (TaskTimeout(1.5, 7), TimeoutError, {"seconds": 1.5, "index": 7}, "task 7 did not finish within 1.5 s."),
    (TaskTimeout(seconds=1), TimeoutError, {"seconds": 1, "index": None}, "a task did not finish within 1 s."),
    (
        MemoryLimitExceeded(limit=10**9, used=1_500_000_000, index=3),
        MemoryError,
        {"limit": 10**9, "used": 1_500_000_000, "index": 3},
        "the worker running task 3 grew to 1,500 MB, over the limit of 1,000 MB, and was replaced.",
    ),
    (
        NotPicklable("item", "item.lock", "a _thread.lock", "Leave it."),
        pickle.PicklingError,
        {"what": "item", "path": "item.lock", "reason": "a _thread.lock", "remedy": "Leave it."},
        "item cannot be sent to another process: item.lock is a _thread.lock. Leave it.",
    ),
    (
        WorkerLost(pid=12, signal=9, index=3, item=[1, 2]),
        BrokenExecutor,
        {"pid": 12, "signal": 9, "exit_code": None, "index": 3, "item": [1, 2]},
        "worker 12 was killed by SIGKILL while running task 3 ([1, 2]). Likely cause: the system ran out of memory",
    ),
    (
        WorkerLost(pid=12, exit_code=3, cause="os._exit was called", index=0),
        BrokenExecutor,
        {"exit_code": 3, "signal": None, "cause": "os._exit was called", "index": 0, "item": None},
        "worker 12 ended with exit code 3 while running task 0 (None). Likely cause: os._exit was called.",
    ),
    (WorkerLost(), BrokenExecutor, {"pid": None, "index": None}, "worker process was lost while it held no task."),
    (JournalError("no"), AlongsideError, {}, "no"),
    (InternalError("odd"), AlongsideError, {"detail": "odd"}, "a bug in alongside, please report it: odd"),
]


@pytest.mark.parametrize(("error", "base", "attributes", "text"), _OWN, ids=lambda value: type(value).__name__)
def test_own_errors_say_what_and_survive_pickle_and_copy(
    error: AlongsideError, base: type[BaseException], attributes: dict[str, object], text: str
) -> None:
    error.add_note("noted")
    for one in (error, pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(one) is type(error)
        assert isinstance(one, base)
        assert isinstance(one, AlongsideError)
        assert str(one).startswith(text)
        assert {name: getattr(one, name) for name in attributes} == attributes
        assert "noted" in one.__notes__


def test_a_lost_worker_with_an_item_that_cannot_be_shown() -> None:
    class Shy:
        def __repr__(self) -> str:
            raise RuntimeError

    assert "task 3 (" in str(WorkerLost(index=3, item=Shy()))
    assert len(str(WorkerLost(index=3, item="x" * 10_000))) < 500


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="NoSuchError"):
        getattr(alongside.exceptions, "NoSuchError")  # noqa: B009


def test_every_public_name_is_there_and_documented() -> None:
    for name in alongside.exceptions.__all__:
        kind = getattr(alongside.exceptions, name)
        assert issubclass(kind, AlongsideWarning if name.endswith("Warning") else AlongsideError)
        assert (kind.__name__, kind.__qualname__, kind.__module__) == (name, name, "alongside.exceptions")
        assert kind.__doc__


def test_importing_the_errors_loads_nothing_slow() -> None:
    root = os.path.dirname(os.path.dirname(alongside.exceptions.__file__))
    code = "import sys; sys.path.insert(0, sys.argv[1]); import alongside.exceptions; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-ISc", code, root], capture_output=True, text=True, check=True)
    assert {"concurrent.futures", "pickle", "_pickle", "logging"}.isdisjoint(done.stdout.split())
