"""Real notebook kernels, for tests that run cells in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


class Kernel:
    """A kernel with its client: cells are run one at a time, and all they say is kept."""

    def __init__(self, manager: Any, client: Any) -> None:
        self.manager = manager
        self.client = client

    def run(self, code: str, until: str = "") -> list[dict[str, Any]]:
        """What a cell says, message by message. `until`: interrupt the cell when it has printed this."""
        number = self.client.execute(code)
        said: list[dict[str, Any]] = []
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != number:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return said
            said.append({"kind": kind, **content})
            if until and until in content.get("text", ""):
                until = ""
                self.manager.interrupt_kernel()

    def text(self, code: str, stream: str = "stdout") -> str:
        """What a cell prints; it must not fail."""
        said = self.run(code)
        assert not [one for one in said if one["kind"] == "error"], said
        return "".join(one["text"] for one in said if one["kind"] == "stream" and one["name"] == stream)


@pytest.fixture(scope="session")
def jupyters_loop() -> Iterator[None]:
    """The event loop that jupyter's client makes for its thread and keeps: here, so that no test is charged with it."""
    utils = pytest.importorskip("jupyter_core.utils", reason="jupyter is not installed")
    loop = utils.ensure_event_loop()
    yield
    loop.close()


@pytest.fixture
def kernel(tmp_path: Path, jupyters_loop: None) -> Iterator[Kernel]:
    """A fresh kernel in a folder of its own."""
    client_of = pytest.importorskip("jupyter_client.manager", reason="jupyter is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    manager, client = client_of.start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    try:
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
        client.context.destroy(linger=0)
