"""The names that a function's code uses: of globals, attributes and modules.

Owns the walk through the code. Must never look up what a name stands for.
"""

from __future__ import annotations

from types import CodeType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def names_in(code: CodeType) -> Sequence[str]:
    """The names in this code and in that of the functions inside it; one may be there more than once.

    >>> names_in(compile("import math; f = lambda x: math.sqrt(x)", "", "exec"))
    ('math', 'f', 'math', 'sqrt')
    """
    inside = [name for part in code.co_consts if type(part) is CodeType for name in names_in(part)]
    return (*code.co_names, *inside) if inside else code.co_names
