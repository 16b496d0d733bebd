"""The suite that every backend passes: whatever it is asked, it gives what a plain loop gives.

`backend` is each name in the registry, and `auto`. A backend added to the registry is tested without a line here.
"""

from __future__ import annotations

import pytest

from alongside import backends

EVERY = [*backends.names(), "auto"]


@pytest.fixture(params=EVERY)
def backend(request: pytest.FixtureRequest) -> str:
    """The name of a way of executing."""
    return str(request.param)
