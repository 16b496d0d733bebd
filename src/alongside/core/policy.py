"""What the user asked for, as far as scheduling cares.

Owns the policy of a run, and the bound of its window where none was given. Must never look at what is going on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from alongside.core.retry import RetryPolicy

LAZY_WINDOW = 16_384
"""Tasks taken from the input but not yet taken by the consumer, at most, where `window` is not given."""

EAGER_WINDOW = 1 << 20
"""The same for a consumer that keeps every outcome anyway (`map`, `run`): tasks not yet finished, at most."""


@dataclass(slots=True)
class Policy:
    """The options of a run in the coordinator's terms. `eager`: the consumer keeps every outcome as it comes."""

    ordered: bool = True
    eager: bool = True
    stop_at_failure: bool = True
    timeout: float | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    batch_size: int | None = None
    window: int | None = None
    total: int | None = None
    tasks_per_worker: int | None = None
    memory_limit: int | None = None

    @property
    def bound(self) -> int:
        """How many tasks may be held at most."""
        return self.window or (EAGER_WINDOW if self.eager else LAZY_WINDOW)
