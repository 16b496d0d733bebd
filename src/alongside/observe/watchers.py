"""Who watches a run: the list of its observers.

Owns which of them a run has. Must never load one that is not wanted.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from alongside.core.events import Crew
    from alongside.core.ports import Observer
    from alongside.observe.timeline import Timeline


def timeline_of(crew: Crew) -> Timeline:
    """The timeline of a run that begins on this crew."""
    from alongside.observe.timeline import Timeline

    return Timeline(crew)


def watchers(progress: Any, total: int | None, done: int, crew: Crew, timeline: Timeline | None) -> list[Observer]:
    """The observers of a run that begins on this crew, `done` of whose `total` tasks are done."""
    watching: list[Observer] = [] if timeline is None else [timeline]
    if progress is not False and progress is not None:
        from alongside.observe.progress import Progress

        watching.append(Progress(progress, total, done, crew.name))
    return watching
