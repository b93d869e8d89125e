"""The heat table of micro-grids offers what tells them apart."""

from types import SimpleNamespace

from service.web.pages.heat import RED, VISITS, choices, heat


def week(red: int) -> SimpleNamespace:
    area = {"grid_id": "g0", "microgrid_id": "m1", "households": 9, "red": red, "expected": {}}
    return SimpleNamespace(areas=[area], community=SimpleNamespace(needs=[]))


def test_red_is_offered_only_where_a_household_is_red() -> None:
    assert [value for value, _ in choices(week(2))] == [RED, VISITS]
    assert [value for value, _ in choices(week(0))] == [VISITS]
    assert heat(week(0), [], RED)[0]["cells"][0]["value"] == 0  # an old link is answered all the same
