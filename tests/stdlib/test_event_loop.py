"""The interpreter's own tests of event loops, from the installed `test` package, run on the lean one."""

from __future__ import annotations

import asyncio
from importlib import import_module

import pytest

from alongside.workers.leanloop import LeanLoop, lean

pytest.importorskip("test.test_asyncio.test_events", reason="this Python came without its own tests of asyncio")

events, utils = (import_module(f"test.test_asyncio.{name}") for name in ("test_events", "utils"))

pytestmark = pytest.mark.filterwarnings("default")


class TestLeanLoop(events.UnixEventLoopTestsMixin, utils.TestCase):  # type: ignore[misc, name-defined]
    """What each event loop is tested for."""

    def create_event_loop(self) -> asyncio.AbstractEventLoop:
        loop = lean(asyncio.SelectorEventLoop())
        assert type(loop) is LeanLoop
        return loop
