"""Where a task's randomness comes from: the run's seed and the task's index, and nothing else.

Owns that derivation. Must never draw a number: it is a hash, so that neighbouring tasks, and neighbouring seeds, have
nothing to do with each other.
"""

from __future__ import annotations

from hashlib import blake2b


def derive(seed: int, index: int) -> int:
    """The seed of one task: 128 bits.

    >>> derive(1, 0) != derive(1, 1) != derive(2, 1)
    True
    """
    return int.from_bytes(blake2b(b"%d/%d" % (seed, index), digest_size=16, person=b"alongside").digest(), "little")


def words(seed: int) -> list[int]:
    """The same as four numbers of 32 bits, for generators that want those."""
    return [seed >> shift & 0xFFFFFFFF for shift in (0, 32, 64, 96)]
