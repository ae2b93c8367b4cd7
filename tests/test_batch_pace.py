import pytest

from egic import batch_pace
from egic.batch import Made
from egic.batch_pace import Pace


@pytest.fixture
def pace():
    """2 of 12 files done and one failed, in 10 seconds after 5 to start."""
    seconds = iter([100.0, *[115.0] * 9])
    pace = Pace(12, "one", lambda: next(seconds))
    for num_bytes, began in ((1000, 106.0), (3000, 105.0)):
        pace.add(Made(1000, 2000, num_bytes, 0, 0, 1.0, began=began))
    pace.failed += 1
    return pace


def test_pace_is_files_and_megapixels_by_seconds_since_the_first_began(pace):
    assert pace.count == "3/12" and pace.to_start == 5.0
    assert pace.rate() == "0.20 files/s, 0.40 megapixels/s by one"


def test_without_a_file_that_began_all_time_counts():
    seconds = iter([100.0, 110.0])
    pace = Pace(1, clock=lambda: next(seconds))
    pace.add(Made(1000, 2000, 1, 0, 0, 1.0))
    assert pace.rate() == "0.10 files/s, 0.20 megapixels/s" and pace.to_start == 0.0


def test_who_works_is_said_in_words():
    assert batch_pace.workforce(1, 2) == "1 process of 2 threads"
    assert batch_pace.workforce(2, 1) == "2 processes of 1 thread each"


def test_what_is_left_takes_as_long_as_what_was(pace):
    assert pace.note() == "3 of 12, 0.20 files/s, 0.40 megapixels/s by one, 30 s left"


def test_the_summary_weighs_all_pixels_alike(pace):
    # 8 * 4000 bits on 4,000,000 pixels.
    assert pace.summary() == (
        "2 done in 15 s, 5 s of it to start; 0.20 files/s, 0.40 megapixels/s by one; "
        "4,000 bytes, 0.0080 bpp"
    )


@pytest.mark.parametrize(
    "seconds, text",
    [(0, "0 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_durations_are_said_as_people_do(seconds, text):
    assert batch_pace.duration(seconds) == text


def test_a_log_gets_a_note_now_and_then(pace, capsys, monkeypatch):
    monkeypatch.setattr(batch_pace, "_SECONDS_BETWEEN_NOTES", 0.0)
    with batch_pace.following(pace, "compressing") as show:
        show("a line")
        show(None)
    captured = capsys.readouterr()
    assert captured.out == "a line\n"
    assert captured.err.count("egic: compressing: 3 of 12, ") == 2
