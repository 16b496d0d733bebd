"""What `advise` gives back: the verdict, why, what each backend would take, and what would change it.

Owns `Advice`, its shapes (text, table, HTML, JSON) and their order. Must never measure or choose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alongside.core.choose import Facts, Plan, span
from alongside.core.teaching import weight
from alongside.observe import shapes
from alongside.observe.shapes import Table


@dataclass(frozen=True, slots=True)
class Advice:
    """Which tool, why, what the others would take, and what would change that. Print it, or show it in a notebook.

    `facts`: what was measured. `plan`: the choice; its `reasons` and `predictions` (seconds for the tasks left) are
    here too. `prospects`: what would change it, a sentence each. `excluded`: the backends that cannot be used, and why.
    `warnings`: what the function does that would come to nothing there, such as changing its item.
    """

    function: str
    facts: Facts
    plan: Plan
    prospects: tuple[str, ...] = ()
    excluded: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why, a sentence each."""
        return self.plan.reasons

    @property
    def predictions(self) -> Mapping[str, float]:
        """Seconds that the rest of the input would take on each backend."""
        return self.plan.predictions

    @property
    def verdict(self) -> str:
        """The choice in a line."""
        plan, many = self.plan, self.plan.max_workers or 1
        how = _SAYING.get(plan.backend, f"use {plan.backend}")
        if plan.backend == "asyncio":
            return f"For {self.function}: {how}, one event loop with up to {many} calls at once."
        workers = f" with {many} workers" if many > 1 else ""
        workers += f", {plan.slots} calls at once in each" if plan.slots > 1 else ""
        return f"For {self.function}: {how}{workers}."

    def __str__(self) -> str:
        parts = [self.verdict, *self._why()]
        if self.facts.wall:
            parts += ["", self._heading(), shapes.as_text(self._table())]
        parts += [*_listed("What would change it:", self.prospects), *_listed("Measured:", self._measured())]
        return "\n".join(parts)

    def __repr__(self) -> str:
        predicted = self.predictions.get(self.plan.backend)
        told = f", about {span(predicted)}" if predicted and self.facts.wall else ""
        return f"<Advice for {self.function}: {self.plan.backend}{told}>"

    # ------------------------------------------------------------------------------------------------ displays

    def __rich__(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        parts: list[Any] = [Text(self.verdict, style="bold"), *map(Text, self._why()), ""]
        if self.facts.wall:
            parts += [shapes.as_rich(self._table(), self._heading())]
        told = [*_listed("What would change it:", self.prospects), *_listed("Measured:", self._measured())]
        return Group(*parts, *map(Text, told[1:] if self.facts.wall else told))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._repr_html_()}

    def _repr_html_(self) -> str:
        parts = [f"<strong>{shapes.paragraph(self.verdict)}</strong>", shapes.bullets(self.reasons)]
        parts += [shapes.paragraph(_BUT), shapes.bullets(self.warnings)] if self.warnings else []
        if self.facts.wall:
            parts += [shapes.paragraph(self._heading()), shapes.as_html(self._table())]
        for title, texts in (("What would change it:", self.prospects), ("Measured:", self._measured())):
            parts += [shapes.paragraph(title), shapes.bullets(texts)] if texts else []
        return shapes.boxed(*parts)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values: seconds and bytes."""
        plan = self.plan._asdict()
        return {
            "function": self.function,
            "verdict": self.verdict,
            "plan": {**plan, "predictions": dict(self.predictions)},
            "facts": {**self.facts._asdict(), "waiting": self.facts.waiting, "left": self.facts.left},
            "prospects": list(self.prospects),
            "excluded": dict(self.excluded),
            "warnings": list(self.warnings),
        }

    def to_json(self) -> str:
        """The same as JSON."""
        return shapes.to_json(self.to_dict())

    # --------------------------------------------------------------------------------------------------- words

    def _why(self) -> list[str]:
        return [*_listed("Why:", self.reasons), *_listed(_BUT, self.warnings)]

    def _heading(self) -> str:
        left, whole = self.facts.left, self.facts.tasks_left in (None, self.facts.tasks_seen)
        return (
            f"Predicted for {'such a task' if left == 1 else f'{left:,} such tasks'}:"
            if whole
            else (f"Predicted for the {left:,} tasks left:")
        )

    def _table(self) -> Table:
        rows = sorted(self.predictions.items(), key=lambda row: (row[1], row[0] != self.plan.backend))
        longest = max(seconds for _, seconds in rows) or 1.0
        names = [name for name, _ in rows]
        return Table(
            ("backend", "time"),
            [(name, span(seconds)) for name, seconds in rows],
            [seconds / longest for _, seconds in rows],
            names.index(self.plan.backend),
        )

    def _measured(self) -> Sequence[str]:
        facts = self.facts
        if not facts.wall:
            return ()
        told = [f"{facts.tasks_seen:,} call{'s' * (facts.tasks_seen != 1)}, {span(facts.wall)} each"]
        told += [f"{100 * facts.waiting / facts.wall:.0f} % waiting"]
        told += [f"the GIL {'held' if facts.gil_held else 'released'}"] if facts.gil_held is not None else []
        if facts.item_bytes is not None and facts.result_bytes is not None:
            told += [f"an item is {weight(facts.item_bytes)}, a result {weight(facts.result_bytes)}"]
        told += [f"{facts.cpus} CPU{'s' * (facts.cpus != 1)}"]
        return [", ".join(told) + "."]


def _listed(title: str, texts: Sequence[str]) -> list[str]:
    return ["", title, *(f"  - {text}" for text in texts)] if texts else []


_BUT = "Mind this first:"

_SAYING = {
    "serial": "keep the plain loop",
    "threads": "use threads",
    "processes": "use processes",
    "asyncio": "use asyncio",
}
