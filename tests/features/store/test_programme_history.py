"""The optional table of what programmes offered and who came."""

from make_records import day

from features.store.reader import read_programme_history

ROWS = [
    {"programme_id": "canteen", "need": "meals", "opened_at": "2024-04-01", "seats": 30, "enrolled": 20},
    {"programme_id": "canteen", "need": "meals", "opened_at": "2024-05-01", "seats": 30, "enrolled": 24},
    {"programme_id": "canteen", "need": "nothing", "opened_at": "2024-05-01", "seats": 30, "enrolled": 24},
]


def test_history_is_read_as_known_at_a_date(tiny_town) -> None:
    tiny_town.write("programme_history", ROWS)
    report = tiny_town.ingest()
    assert report.quarantine is not None  # a need that the community does not have
    assert list(read_programme_history(tiny_town.workspace, day("2024-06-10"))["enrolled"]) == [20, 24]
    assert list(read_programme_history(tiny_town.workspace, day("2024-05-01"))["enrolled"]) == [20]
    assert tiny_town.ingest().tables["programme_history"].unchanged == 2


def test_a_programme_that_the_settings_do_not_have_is_named_and_its_rows_are_kept(tiny_town) -> None:
    """It may have ended; its courses still tell how many of those who ask take a seat."""
    tiny_town.write_settings(programmes=[{"id": "canteen", "name": "幸福食堂", "needs": ["meals"]}])
    tiny_town.write("programme_history", [*ROWS[:2], ROWS[0] | {"programme_id": "cantene"}])
    (line,) = [one for one in tiny_town.ingest().lines() if "没有这些项目" in one]
    assert "cantene" in line and "canteen" not in line
    assert len(read_programme_history(tiny_town.workspace, day("2024-06-10"))) == 3
    tiny_town.write("programme_history", ROWS[:2])
    assert not [one for one in tiny_town.ingest().lines() if "没有这些项目" in one]


def test_a_correction_counts_from_the_export_that_brought_it(tiny_town) -> None:
    tiny_town.write("programme_history", ROWS[:2])
    tiny_town.ingest()
    tiny_town.write("programme_history", [ROWS[0], ROWS[1] | {"enrolled": 29, "waiting": 3}])
    assert tiny_town.ingest().tables["programme_history"].corrected == 1
    now = read_programme_history(tiny_town.workspace, day("2030-01-01"))
    assert list(now["enrolled"]) == [20, 29]


def test_no_history_no_rows(tiny_town) -> None:
    tiny_town.ingest()
    assert read_programme_history(tiny_town.workspace, day("2030-01-01")).empty
