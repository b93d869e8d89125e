"""Who belongs to which group that is watched."""

from datetime import date

import pytest
from make_records import make_community, make_records

from features.blocks.groups import membership
from features.contract.settings_file import parse_community
from features.language import UserError
from features.point_in_time.records import Known, day_of, known_before
from features.simulation.simulate import styled_community, xishan
from features.simulation.style import base_style, draw_style

HOUSEHOLDS = [
    {
        "household_id": one,
        "grid_id": grid,
        "microgrid_id": grid,
        "valid_from": since,
        "elders": elders,
        "ethnicity": of,
    }
    for one, grid, since, elders, of in (
        ("A", "G1", "2020-01-01", 1, "汉族"),
        ("B", "G1", "2020-01-01", 0, "回族"),
        ("C", "G2", "2023-10-02", 2, "汉族"),
        ("D", "G2", "2024-03-04", 0, None),
        ("E", "G3", "2024-07-01", 3, "藏族"),
    )
]
GROUPS = [
    {"id": "new", "name": {"zh": "新居民"}, "known_within_weeks": 52},
    {"id": "elders", "who": "elders > 0"},
    {"id": "new_elders", "who": "elders > 0", "known_within_weeks": 52},
]


def known(**sections: object) -> Known:
    community = make_community(**{"groups": GROUPS, **sections})
    return known_before(make_records(HOUSEHOLDS, community=community), day_of(date(2024, 6, 3)))


def members(of: Known) -> dict[str, str]:
    groups = membership(of)
    ids = of.household_ids
    return {one: "".join(ids[groups.member[:, at]]) for at, one in enumerate(groups.ids)}


def test_named_groups_and_grids() -> None:
    assert members(known()) == {
        "new": "CD",  # A and B were there with the first export; E has not come yet
        "elders": "AC",
        "new_elders": "C",
        "grid=G1": "AB",
        "grid=G2": "CD",
    }


def test_who_has_left_is_in_no_group() -> None:
    gone = [row | ({"valid_until": "2024-05-01"} if row["household_id"] == "C" else {}) for row in HOUSEHOLDS]
    residents = [{"resident_id": f"P{one}", "household_id": one, "birth_year": 1940} for one in "AC"]
    community = make_community(groups=[*GROUPS, {"id": "old", "who": "elders_80 > 0"}])
    records = make_records(gone, residents=residents, community=community)
    then, now = (members(known_before(records, day_of(date(2024, month, 1)))) for month in (5, 6))
    assert (then["new"], then["old"], then["grid=G2"]) == ("D", "A", "D")
    before = members(known_before(records, day_of(date(2024, 4, 30))))
    assert (before["new"], before["old"], before["grid=G2"]) == ("CD", "AC", "CD")
    assert now == then


def test_values_of_excluded_attributes_are_groups() -> None:
    found = members(known(groups=[], features={"exclude": ["ethnicity"]}))
    assert found == {"grid=G1": "AB", "grid=G2": "CD", "ethnicity=汉族": "AC", "ethnicity=回族": "B"}


def test_residents_attributes_make_members_of_households() -> None:
    residents = [
        {"resident_id": f"P{at}", "household_id": one, "valid_from": "2020-01-01", "migrant": migrant}
        for at, (one, migrant) in enumerate([("A", "yes"), ("A", "no"), ("B", "no")])
    ]
    community = make_community(features={"exclude": ["migrant"]})
    records = make_records(HOUSEHOLDS, residents=residents, community=community)
    found = members(known_before(records, day_of(date(2024, 6, 3))))
    assert (found["migrant=yes"], found["migrant=no"]) == ("A", "AB")


def test_a_group_that_the_data_cannot_tell_is_left_out_with_a_line() -> None:
    groups = membership(known(groups=[{"id": "poor", "who": "income < 3"}, *GROUPS]))
    assert groups.ids[0] == "new"
    assert len(groups.left_out) == 1
    assert "poor" in groups.left_out[0]
    assert "income" in groups.left_out[0]


def test_positions_of_a_group_and_of_all_of_a_kind() -> None:
    groups = membership(known())
    assert groups.positions(["new", "grid"]) == [0, 3, 4]
    assert groups.positions(["grid=G2", "grid"]) == [4, 3]
    with pytest.raises(UserError, match="nobody"):
        groups.positions(["nobody"])


@pytest.mark.parametrize(
    "group", [{"id": "none"}, {"id": "grid", "who": "a > 1"}, {"id": "a=b", "who": "a > 1"}]
)
def test_groups_that_cannot_be_are_refused(group: dict) -> None:
    with pytest.raises(UserError, match=group["id"]):
        make_community(groups=[group])


def test_simulated_towns_name_groups_that_their_data_can_tell() -> None:
    base = base_style(parse_community(xishan(), "xishan.yaml"))
    for number in range(12):
        style = draw_style(base, number)
        renamed = dict(style.renamed)
        for group in styled_community(style, number)["groups"]:
            for name in ("elders", "lives_alone", "income_band"):
                words = group.get("who", "").split()
                assert name not in words or (name not in renamed and name not in style.hidden)
