"""What a server asked for is heard, in whatever library's exceptions it comes, and waited for."""

from __future__ import annotations

import email.message
import time
import urllib.error
from email.utils import formatdate
from typing import Any

import pytest

import alongside
from alongside.core.retry import PATIENCE, SPREAD
from alongside.core.retry_after import asked_for as asked_for_at
from alongside.testing import FakeClock, Kills, Raises, Script, rehearse


def asked_for(error: BaseException) -> float | None:
    return asked_for_at(error, time.time())


class Response:
    """As httpx, requests and others have them."""

    def __init__(self, headers: Any) -> None:
        self.headers = headers


class StatusError(Exception):
    """As httpx.HTTPStatusError and requests.HTTPError: it carries the response."""

    def __init__(self, headers: Any) -> None:
        super().__init__("429")
        self.response = Response(headers)


class ResponseError(Exception):
    """As aiohttp.ClientResponseError: it carries the headers itself."""

    def __init__(self, headers: Any) -> None:
        super().__init__("429")
        self.headers = headers


DATE = 1_800_000_000
SAID = [
    ({"Retry-After": "7"}, 7.0),
    ({"retry-after": "0"}, 0.0),
    ({"RETRY-AFTER": "1.5"}, 1.5),
    ({"Retry-After": "-3"}, 0.0),
    ({"Retry-After": formatdate(DATE + 30, usegmt=True), "Date": formatdate(DATE, usegmt=True)}, 30.0),
    ({"Retry-After": formatdate(DATE - 30, usegmt=True), "Date": formatdate(DATE, usegmt=True)}, 0.0),
    ({"Retry-After": "soon"}, None),
    ({"Retry-After": "nan"}, None),
    ({}, None),
    (None, None),
]


@pytest.mark.parametrize("kind", [StatusError, ResponseError])
@pytest.mark.parametrize(("headers", "expected"), SAID)
def test_seconds_and_dates(kind: Any, headers: Any, expected: float | None) -> None:
    assert asked_for(kind(headers)) == expected


def test_a_date_without_the_server_s_own_is_taken_by_this_machine_s_clock() -> None:
    error = ResponseError({"Retry-After": formatdate(time.time() + 60, usegmt=True)})
    assert asked_for(error) == pytest.approx(60, abs=2)


def test_urllib() -> None:
    headers = email.message.Message()
    headers["Retry-After"] = "4"
    with urllib.error.HTTPError("http://a", 503, "busy", headers, None) as error:
        assert asked_for(error) == 4.0


@pytest.mark.parametrize("library", ["httpx", "requests", "aiohttp"])
def test_the_libraries_themselves(library: str) -> None:
    module = pytest.importorskip(library, reason=f"{library} is not a dependency; where it is installed it is tried")
    assert asked_for(REAL[library](module)) == 5.0


def httpx_error(httpx: Any) -> Exception:
    response = httpx.Response(429, headers={"Retry-After": "5"}, request=httpx.Request("GET", "http://a"))
    error: Exception = httpx.HTTPStatusError("429", request=response.request, response=response)
    return error


def requests_error(requests: Any) -> Exception:
    response = requests.Response()
    response.headers["retry-after"] = "5"
    error: Exception = requests.HTTPError("429", response=response)
    return error


def aiohttp_error(aiohttp: Any) -> Exception:
    error: Exception = aiohttp.ClientResponseError(None, (), status=429, headers={"Retry-After": "5"})
    return error


REAL: dict[str, Any] = {"httpx": httpx_error, "requests": requests_error, "aiohttp": aiohttp_error}


def test_the_cause_is_asked_too() -> None:
    wrapped = RuntimeError("no page")
    wrapped.__cause__ = StatusError({"Retry-After": "3"})
    assert asked_for(wrapped) == 3.0


def test_an_attribute_of_one_s_own_will_do() -> None:
    error = RuntimeError("busy")
    error.retry_after = 2  # type: ignore[attr-defined]  # as many clients have it
    assert asked_for(error) == 2.0


def test_what_cannot_be_asked_has_not_said_anything() -> None:
    class Hostile(Exception):
        @property
        def headers(self) -> Any:
            raise RuntimeError("do not look")

    assert asked_for(Hostile()) is None
    assert asked_for(ResponseError(object())) is None
    assert asked_for(ResponseError({1: 2})) is None


# ----------------------------------------------------------------------------------------------------- what it does


def test_the_wait_is_as_long_as_was_asked_for_and_a_little_longer() -> None:
    clock = FakeClock()
    faults: Script = {0: [Raises(StatusError({"Retry-After": "20"}))]}
    run = rehearse(str, [1], faults=faults, clock=clock, retries=1)
    assert run.results == ["1"]
    assert 20 <= clock.now <= 20 * (1 + SPREAD) + 0.1


def test_one_s_own_backoff_is_not_cut_short() -> None:
    clock = FakeClock()
    faults: Script = {0: [Raises(StatusError({"Retry-After": "1"}))]}
    rehearse(str, [1], faults=faults, clock=clock, retries=1, backoff=lambda attempt: 50.0)
    assert clock.now >= 50


def test_who_asks_for_too_long_is_not_waited_for() -> None:
    error = StatusError({"Retry-After": str(PATIENCE + 1)})
    run = rehearse(str, [1], faults={0: [Raises(error)]}, retries=3)
    assert (run.failures[0].exception, run.failures[0].attempts) == (error, 1)


def test_every_attempt_is_in_the_outcome() -> None:
    first, second = OSError("one"), OSError("two")
    run = rehearse(str, [1, 2, 3], faults={1: [Raises(first), Kills(), Raises(second)]}, retries=2, backoff=0.5)
    (failure,) = run.failures
    assert failure.exception is second
    assert failure.attempts == 3
    assert [type(attempt.exception) for attempt in failure.earlier] == [OSError, alongside.WorkerLost]
    assert all(attempt.seconds >= 0 and attempt.worker and 0.2 < attempt.delay <= 1 for attempt in failure.earlier)
    assert failure.earlier[0].exception is first
    assert first.__traceback__ is None, "an outcome does not keep what a function had in its hands"


def test_a_success_tells_what_went_before() -> None:
    run = rehearse(str, [1, 2], faults={1: [Raises(OSError("once"))]}, retries=1, backoff=0)
    assert run.outcomes[0].earlier == ()
    (attempt,) = run.outcomes[1].earlier
    assert isinstance(attempt, alongside.Attempt)
    assert str(attempt.exception) == "once"
