"""Computing: what is in one Python file. Parses it and counts; holds the interpreter lock all the while.

Owns the figures of one file. Knows nothing of alongside: it is the function a person already has.
"""

import ast
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

warnings.filterwarnings("ignore", category=SyntaxWarning)  # some of the library's tests are odd on purpose

Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
BLOCKS = (
    *(*FUNCTIONS, ast.ClassDef),
    *(ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match),
)
BRANCHES = (
    *(ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler),
    *(ast.BoolOp, ast.comprehension, ast.match_case),
)


@dataclass(frozen=True)
class Figures:
    """What was counted in one file."""

    path: Path
    lines: int
    functions: int
    classes: int
    nesting: int
    busiest: str
    branches: int


def figures(path: Path) -> Figures:
    """Parse the file at `path` and count. Raises SyntaxError where it is not Python."""
    source = path.read_bytes()
    functions = classes = deepest = 0
    branches: Counter[Function] = Counter()
    for node, depth, function in walk(ast.parse(source, filename=str(path))):
        deepest = max(deepest, depth)
        functions += isinstance(node, FUNCTIONS)
        classes += isinstance(node, ast.ClassDef)
        if function and isinstance(node, BRANCHES):
            branches[function] += 1
    busiest, most = max(((f.name, n) for f, n in branches.items()), key=lambda pair: pair[1], default=("-", 0))
    return Figures(path, source.count(b"\n"), functions, classes, deepest, busiest, most)


def walk(tree: ast.AST) -> Iterator[tuple[ast.AST, int, Function | None]]:
    """Every node, with how many blocks deep it stands and the function that it stands in, if any."""
    todo: list[tuple[ast.AST, int, Function | None]] = [(tree, 0, None)]
    while todo:
        node, depth, function = todo.pop()
        yield node, depth, function
        if isinstance(node, FUNCTIONS):
            function = node
        for child in ast.iter_child_nodes(node):
            deeper = isinstance(child, BLOCKS) and not is_elif(node, child)
            todo.append((child, depth + deeper, function))


def is_elif(parent: ast.AST, child: ast.AST) -> bool:
    """An `elif` is an `if` alone in another's `else`, and stands no deeper than it."""
    return isinstance(child, ast.If) and isinstance(parent, ast.If) and parent.orelse == [child]
