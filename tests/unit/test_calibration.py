"""What things cost on this machine: learned from runs, kept in a file, and done without where there can be none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from alongside.core import events as ev
from alongside.core.model import Part
from alongside.core.ports import Capabilities
from alongside.runtime import calibration
from alongside.runtime.calibration import STALE, Calibration, cache_file, copy_bandwidth, here
from alongside.runtime.ledger import Listener

DECLARED = Capabilities(start_seconds=0.04, task_seconds=0.0001)


class Clock:
    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calibration:
    """This machine's, in a folder of the test's own."""
    found = Calibration(str(tmp_path / "cache" / "costs.txt"))
    monkeypatch.setattr(calibration, "_found", found)
    return found


def test_what_was_learned_is_there_in_the_next_process(costs: Calibration, tmp_path: Path) -> None:
    costs.learn("processes.cold", 0.07)
    costs.keep()
    assert Calibration(str(tmp_path / "cache" / "costs.txt")).get("processes.cold", 1.0) == pytest.approx(0.07)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["costs.txt"]


def test_it_is_written_only_when_there_is_news(costs: Calibration, tmp_path: Path) -> None:
    costs.learn("copy", 2e9)
    costs.keep()
    file = tmp_path / "cache" / "costs.txt"
    file.unlink()
    costs.learn("copy", 2.1e9)
    costs.keep()
    assert not file.exists()
    costs.learn("copy", 0.5e9)
    costs.keep()
    assert file.exists()


def test_another_thread_may_find_meanwhile_that_it_cannot_be_written(
    costs: Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "makedirs", lambda *_, **__: setattr(costs, "_path", None))
    costs.learn("copy", 2e9)
    costs.keep()


def test_a_busy_machine_changes_a_cost_less_than_a_quiet_one() -> None:
    costs = Calibration(None)
    costs.learn("x", 1.0)
    costs.learn("x", 2.0)
    busier = costs.get("x", 0.0) - 1.0
    costs.learn("x", costs.get("x", 0.0) - 1.0)
    assert busier < 0.2
    assert costs.get("x", 0.0) < 0.7


def test_an_old_cost_counts_for_nothing_beside_a_new_one() -> None:
    clock = Clock()
    costs = Calibration(None, clock)
    costs.learn("x", 1.0)
    clock.now += STALE
    assert not costs.fresh("x")
    assert costs.get("x", 0.0) == 1.0
    costs.learn("x", 5.0)
    assert costs.get("x", 0.0) == 5.0


@pytest.mark.parametrize("broken", ["", "nonsense", "x nan 0\nx -1 0\nx inf 0\ny 1\nz 1 2 3", "\x00\xff"])
def test_a_file_that_says_nothing_is_no_harm(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "costs.txt"
    path.write_bytes(broken.encode("latin-1"))
    assert Calibration(str(path)).get("x", 7.0) == 7.0


def test_a_folder_that_cannot_be_written_is_no_harm(tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("where a folder should be")
    costs = Calibration(str(blocked / "costs.txt"))
    costs.learn("x", 1.0)
    costs.keep()
    costs.keep()
    assert costs.get("x", 0.0) == 1.0


def test_where_the_file_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALONGSIDE_CACHE_DIR", "/some/where")
    found = cache_file()
    assert found is not None
    assert Path(found).parent == Path("/some/where")
    monkeypatch.setenv("ALONGSIDE_CACHE_DIR", "")
    assert cache_file() is None
    monkeypatch.delenv("ALONGSIDE_CACHE_DIR")
    assert Path(cache_file() or "").parent.name == "alongside"


def test_what_is_declared_counts_until_it_was_measured(costs: Calibration) -> None:
    assert here("mine", DECLARED, ready=0) == DECLARED
    costs.learn("mine.cold", 0.2)
    assert here("mine", DECLARED, ready=0) == DECLARED._replace(start_seconds=0.2)
    assert here("mine", DECLARED, ready=2).start_seconds < 0.01


def test_copying_is_measured_once(costs: Calibration) -> None:
    assert copy_bandwidth() > 1e6
    costs.learn("copy", 1e12)
    assert copy_bandwidth() == costs.get("copy", 0.0)


def listen(costs: Calibration, *happenings: tuple[float, ev.Event | ev.Command]) -> None:
    """Tell a listener what happened when."""
    clock = Clock()
    listener = Listener("mine", 0, clock)
    for at, happening in happenings:
        clock.now = at
        if isinstance(happening, ev.Finished):
            listener.on_event(happening, at)
        else:
            listener.on_command(happening, at)  # type: ignore[arg-type]  # all else here are commands
    listener.close()


def finished(batch: int, seconds: float) -> ev.Finished:
    return ev.Finished(1, batch, [Part(0, ["x"], seconds)], seconds=seconds)


def test_a_start_is_learned_from_a_run_and_only_the_first(costs: Calibration, tmp_path: Path) -> None:
    listen(costs, (0.0, ev.Hire(1)), (0.1, ev.Hire(2)), (0.3, finished(1, 0.2)), (5.0, finished(2, 0.1)))
    assert costs.get("mine.cold", 0.0) == pytest.approx(0.1)
    assert (tmp_path / "cache" / "costs.txt").exists()


def test_a_run_that_came_to_nothing_tells_nothing(costs: Calibration, tmp_path: Path) -> None:
    listen(costs, (0.0, ev.Hire(1)))
    assert costs.get("mine.cold", 0.0) == 0.0
    assert not (tmp_path / "cache" / "costs.txt").exists()
