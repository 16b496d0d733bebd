"""The registry of backends: what they declare is known without loading them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from alongside import backends
from alongside.backends.serial import SerialBackend
from alongside.core.ports import Capabilities


@pytest.mark.parametrize("name", backends.names())
def test_what_is_declared_apart_is_what_the_backend_declares(name: str) -> None:
    assert backends.capabilities(name) is backends.find(name).capabilities


def test_one_that_was_registered_declares_for_itself() -> None:
    class Mine(SerialBackend):
        capabilities = Capabilities(killable=True)

    with backends.registered("threads", Mine):
        assert backends.capabilities("threads").killable
        assert backends.alive("threads") is Mine
    assert not backends.capabilities("threads").killable


def test_a_backend_that_was_not_loaded_has_no_workers_and_one_whose_workers_are_being_made_has() -> None:
    program = """
from alongside import backends
print([name for name in backends.names() if backends.alive(name)])
import alongside.workers.supervisor
print([name for name in backends.names() if backends.alive(name)])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["[]", "['processes']"]
