"""Drawings show what the actions do: every step, every checkpoint, every repetition."""

import pytest

from revolve_ad.errors import ParameterError, ScheduleError
from revolve_ad.schedule.actions import Advance, Discard, Level, Record, Restore, Reverse, Save
from revolve_ad.schedule.binomial import binomial
from revolve_ad.schedule.drawing import draw
from revolve_ad.schedule.multilevel import multilevel
from revolve_ad.schedule.online import online
from revolve_ad.schedule.references import none, periodic, store_all
from revolve_ad.schedule.trace import trace

RAM, DISK = Level.RAM, Level.DISK


def test_the_text_of_a_short_schedule_is_this() -> None:
    assert str(draw(binomial(5, 2))).splitlines() == [
        "binomial, 5 steps: 6 advanced, 5 recorded",
        "─ advance   ═ reverse   ┄ taped, to be reversed later   · reversed before",
        "● checkpoint in RAM   ■ checkpoint on disk",
        "",
        "state  0         5",
        "    1  ●───●───══",
        "    2  ●   ●─══··",
        "    3  ●   ══····",
        "    4  ●─══······",
        "    5  ══········",
        " runs   2 1 2 1 0",
    ]


def test_kept_tapes_and_checkpoints_on_disk_are_told_apart() -> None:
    actions = [Save(0, DISK), Advance(0, 2), Save(2, RAM), Advance(2, 3), Record(3, 4)]
    actions += [Restore(2, RAM), Discard(2, RAM), Record(2, 3), Reverse(2, 4)]
    actions += [Restore(0, DISK), Discard(0, DISK), Record(0, 2), Reverse(0, 2)]
    lines = draw(actions).text().splitlines()
    assert lines[0].startswith("schedule, 4 steps")
    assert lines[5:8] == ["    1  ■───●─┄┄", "    2  ■   ════", "    3  ════····"]


@pytest.mark.parametrize(
    ("schedule", "n_steps"),
    [
        (binomial(60, 4), None),
        (periodic(33, 5), None),
        (store_all(9), None),
        (none(12), None),
        (binomial(1, 1), None),
        (online(3), 50),
        (online(state_bytes=2, tape_bytes=1, budget=12), 50),
    ],
)
def test_the_picture_adds_up(schedule, n_steps) -> None:  # type: ignore[no-untyped-def]
    seen = trace(schedule, n_steps)
    counts = seen.counts
    assert sum(seen.runs) == counts.advanced
    assert len(seen.spans) == counts.saved
    assert sum(len(span.restores) for span in seen.spans) == counts.restored
    assert len(seen.sweeps) == counts.restored + 1
    assert max(sum(held) for _, held, _ in seen.holdings) == counts.peak_checkpoints
    assert max(tapes for *_, tapes in seen.holdings) == counts.peak_tapes
    assert seen.duration == counts.advanced + 2 * counts.recorded


def test_a_long_schedule_is_compressed_to_the_width_and_the_rows_asked_for() -> None:
    lines = draw(binomial(3000, 6)).text(width=60, rows=10).splitlines()
    assert len(lines) == 5 + 11 + 1
    assert all(len(line) <= 60 + 7 + len("3000") for line in lines[4:])
    assert "2990 sweeps more" in lines[12]


def test_a_figure_is_drawn_without_a_display(tmp_path) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("matplotlib")
    for schedule in (binomial(40, 4), binomial(1, 1), store_all(7), multilevel(90, 2, 3)):
        draw(schedule).figure().savefig(tmp_path / "schedule.pdf")
    assert (tmp_path / "schedule.pdf").stat().st_size > 5000


def test_what_is_unsound_or_too_long_is_not_drawn() -> None:
    with pytest.raises(ScheduleError):
        draw([Save(0, RAM), Record(0, 2), Reverse(0, 2)])
    with pytest.raises(ParameterError, match="draw one of at most"):
        draw(binomial(10**12, 9))
    with pytest.raises(ParameterError, match="width is 3"):
        draw(binomial(9, 9)).text(width=3)
