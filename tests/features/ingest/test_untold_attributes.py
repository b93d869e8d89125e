"""What ``who`` may name at ingest, and whom it counts, are what scoring knows."""

from datetime import date

import numpy as np
from office_exports import HOMES, SETTINGS, Office, home

from features.contract.attribute_values import Texts
from features.ingest.untold_attributes import CurrentAttributes
from features.point_in_time.cohort import KnownAttributes, eligible
from features.store.database import open_store

TODAY = "2024-06-03"


def an_office(tmp_path) -> Office:
    office = Office(tmp_path)
    births = {
        "a": ("H1", "1950-05-01"),
        "b": ("H2", "1990-01-01"),
        "c": ("H2", "2020-09-01"),
        "d": ("H4", "1980-01-01"),
    }
    people = [
        {"resident_id": one, "household_id": home, "valid_from": "2024-01-01", "birth_date": born}
        for one, (home, born) in births.items()
    ]
    homes = [*(row | {"head_birth_year": 1950} for row in HOMES), home(4, valid_until="2024-03-01"), home(5)]
    needs = [*SETTINGS["needs"], {"id": "visit", "name": "探访", "who": "elder_alone"}]
    report = office.hand_in(homes, residents=people, settings=SETTINGS | {"needs": needs})
    assert [line for line in report.lines() if "elder_alone" in line] == [
        "需求 探访: 2 户看不出是否符合 elder_alone；这些户不会被评分；请补这些格，或改 who"
    ]
    return office


def test_names_and_values_at_ingest_are_those_at_scoring(tmp_path):
    office = an_office(tmp_path)
    known = office.known(TODAY)
    scoring = KnownAttributes(known)
    with open_store(office.workspace, read_only=True) as connection:
        ingest = CurrentAttributes(connection, date.fromisoformat(TODAY), {*scoring.names()})
        ids = [one for (one,) in connection.execute("FROM current_households SELECT household_id").fetchall()]
        assert ingest.names() == scoring.names()
        assert sorted(ids) == office.present(TODAY) == ["H1", "H2", "H3", "H5"]
        order = np.array([list(known.household_ids).index(one) for one in ids])
        for name in scoring.names():
            here, there = ingest.find(name), scoring.find(name)
            if isinstance(here, Texts):
                assert [here.at(row) for row in range(len(ids))] == [there.at(row) for row in order], name
            else:
                np.testing.assert_array_equal(here, there[order], err_msg=name)


def test_settings_may_call_a_column_by_its_heading(tmp_path):
    """As the contract's own name takes its place, an exclusion by the heading would be none."""
    office = Office(tmp_path)
    needs = [*SETTINGS["needs"], {"id": "visit", "name": "探访", "who": "老人数 > 0"}]
    homes = [row | {"老人数": at, "民族": "汉"} for at, row in enumerate(HOMES)]
    features = {"exclude": ["老人数", "民 族"], "reasons": {"老人数": []}}
    report = office.hand_in(homes, settings=SETTINGS | {"needs": needs, "features": features})
    assert [line for line in report.lines() if "features.exclude" in line] == [
        "features.exclude: 没有这一列：民 族；请写列名原样，不然模型可能在用"
    ]
    known = office.known(TODAY)
    assert eligible(known)[:, -1].tolist() == [at > 0 for at in range(len(HOMES))]
    assert known.community.features.exclude == ("老人数", "elders", "民 族")
    assert known.community.features.reasons["elders"] == ()


def test_numbers_that_stand_for_nothing_known_and_ages_that_are_none_are_told(tmp_path):
    office = Office(tmp_path)
    homes = [home(n, children=n % 3, income=90 + n) for n in range(1, 13)]
    homes[4]["children"], homes[5]["children"] = -1, 999
    people = [
        {
            "resident_id": f"P{n}",
            "household_id": f"H{n}",
            "valid_from": "2024-01-01",
            "年龄": age,
            "登记日期": "2024-01-01",
        }
        for n, age in enumerate(("65", "200", "-3", "不详", "暂无", "-", "200"), 1)
    ]
    said = "\n".join(office.hand_in(homes, residents=people).lines())
    assert "children 里有些数像是“不知道”的代号，当数用了：-1、999，共 2 处；不知道的请留空" in said
    assert "income" not in said
    assert "居民: 年龄 里有些不是年龄，当空的：-3、200，共 3 处" in said
