"""How large the workloads are: the full table, or a quick look that only shows that everything works.

Owns: sizes and numbers of rounds. Must never: change what is measured.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Sizes of the workloads; `quick` is a smoke test whose figures mean little."""

    quick: bool = False
    fixed_rounds: int = 0

    def rounds(self, usual: int) -> int:
        """How many rounds are kept."""
        return self.fixed_rounds or (2 if self.quick else usual)

    def _size(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    @property
    def many(self) -> int:
        """Tasks of the no-op row."""
        return self._size(1_000_000, 50_000)

    @property
    def trips(self) -> int:
        """Calls in one run of the one-at-a-time row."""
        return self._size(2_000, 200)

    @property
    def burst(self) -> int:
        """Submits in one burst."""
        return self._size(20_000, 2_000)

    @property
    def arrays(self) -> int:
        """Arrays in one direction."""
        return self._size(100, 10)

    @property
    def constant_length(self) -> int:
        """float64 in the large constant: 500 MB."""
        return self._size(62_500_000, 6_250_000)

    @property
    def constant_tasks(self) -> int:
        """Tasks that use the constant."""
        return self._size(1_000, 100)

    @property
    def spinning(self) -> float:
        """Seconds of work per worker in the heavy-tailed rows."""
        return 0.5 if self.quick else 2.0

    @property
    def task_counts(self) -> tuple[int, ...]:
        """Numbers of tasks in the scaling row."""
        return (1_000, 10_000) if self.quick else (1_000, 10_000, 100_000, 1_000_000)

    @property
    def worker_counts(self) -> tuple[int, ...]:
        """Numbers of workers in the scaling row."""
        return (1, 2, 4) if self.quick else (1, 2, 4, 8, 16, 32)
