"""The rows behind a reason are those of the records, seen from the as-of day, and nobody else's."""

import re

import numpy as np
import pytest
from hand_made import hand_made_model
from make_records import make_community, make_records
from small_town import AS_OF, NEEDS

from features.blocks import neighbours
from features.blocks.build import build, facts
from features.blocks.source_rows import source_rows
from features.language import set_language
from features.point_in_time.records import Known, Rows, date_of, known_before
from features.point_in_time.schema_fit import fit_schema
from models.scoring.explain import explained
from service.lists.reasons import kind_names, numbered

SECRET = {"id": "refuge", "name": {"zh": "家暴求助", "en": "Refuge"}, "sensitive": True}


def a_street() -> Known:
    """Household a asked for childcare thrice and for refuge once, four neighbours asked for childcare."""
    needs = [{**need, "who": ""} for need in NEEDS if need["id"] != "refuge"] + [SECRET]
    mine = [("r1", "2022-10-03"), ("r2", "2023-10-20"), ("r3", "2024-05-06")]
    others = [(f"n{one}", f"2024-08-{20 + one}") for one in (1, 2, 3, 4)]
    requests = [
        *({"request_id": one, "household_id": "a", "requested_at": when} for one, when in mine),
        *({"request_id": f"q{who}", "household_id": who, "requested_at": when} for who, when in others),
        {"request_id": "s1", "household_id": "a", "need": "refuge", "requested_at": "2024-06-01"},
        {"request_id": "later", "household_id": "a", "requested_at": "2024-09-02"},
    ]
    records = make_records(
        households=[
            {"household_id": other, "children": 2 * (other == "a"), "valid_from": "2021-03-04"}
            for other in ("a", *dict(others))
        ],
        residents=[{"resident_id": "p", "household_id": "a", "birth_year": 2016, "valid_from": "2022-02-02"}],
        requests=[{"need": "childcare", **row} for row in requests],
        outreach=[
            {
                "household_id": "a",
                "need": "childcare",
                "contacted_at": "2024-03-05",
                "outcome": "not_needed",
            }
        ],
        community=make_community(needs),
    )
    return known_before(records, AS_OF)


def told(fact: str, household: str = "a") -> str:
    known = a_street()
    return source_rows(fact, known, list(known.household_ids).index(household), 0)


def reason(fact: str, household: str = "a") -> str:
    known = a_street()
    place = list(known.household_ids).index(household)
    return neighbours.FACTS[fact](known, fit_schema(known), place, 0)


def test_each_fact_names_its_rows() -> None:
    assert str(date_of(AS_OF)) == "2024-09-02"
    assert told("asked_before") == "诉求 2024.5.6 r3、2023.10.20 r2"  # of the year, as the fact counts them
    assert told("neighbours_recent") == told("neighbours_recent", "n1") == "最近 2024.8.24"
    assert reason("neighbours_recent") == "本微网格邻居4户，近一个月有4户申请过"
    assert reason("neighbours_recent", "n1") == "本微网格邻居4户，近一个月有3户申请过"
    assert told("household.children") == "住户登记 2021.3.4"
    assert told("residents_children") == "居民登记 1 人，2022.2.2"
    assert told("last_visit") == "2024.3.5 走访 不需要"
    assert told("days_known") == "首次登记 2021.3.4"
    set_language("en")
    assert told("asked_before") == "requests 2024.5.6 r3, 2023.10.20 r2"


def test_rows_are_those_that_their_reason_speaks_of() -> None:
    asked = ("2023-12-01", "2024-02-01", "2024-08-01")
    visits = {"2024-05-10": "needed", "2024-06-12": "not_reached"}
    about = {"household_id": "a", "need": "childcare"}
    requests = [
        {**about, "request_id": f"r{number}", "requested_at": when} for number, when in enumerate(asked)
    ]
    done = {**about, "need": "meals", "requested_at": "2024-01-01", "resolved_at": "2024-01-02"}
    outreach = [{**about, "contacted_at": when, "outcome": outcome} for when, outcome in visits.items()]
    known = known_before(make_records([{"household_id": "a"}], [*requests, done], outreach=outreach), AS_OF)
    schema = hand_made_model(known, {}).schema
    for fact, reason, rows in (
        ("open_request", "8月1日的诉求还没有办结", "诉求 2024.8.1 r2"),
        ("last_visit", "今年5月走访时说有需要", "2024.5.10 走访 需要"),
    ):
        assert facts(schema)[fact](known, schema, 0, 0) == reason
        assert source_rows(fact, known, 0, 0) == rows


def test_the_same_season_means_the_window_moved_by_whole_years() -> None:
    known = a_street()
    need = known.community.needs[0]
    begin = AS_OF + 7 * need.lead_weeks
    rows = {"r1": "2022-10-03", "r2": "2023-10-20", "r3": "2024-05-06"}
    inside = {
        name
        for name, when in rows.items()
        for years in (1, 2)
        if begin - 364 * years
        <= (np.datetime64(when) - np.datetime64("1970-01-01")).astype(int)
        < begin + 7 * need.horizon_weeks - 364 * years
    }
    assert set(re.findall(r"r\d", told("asked_same_season"))) == inside != set()


def test_sensitive_requests_are_never_told_beside_other_needs() -> None:
    for fact in ("other_needs", "asked_anything"):
        assert "s1" not in told(fact) and "家暴" not in told(fact)


def test_every_kind_of_fact_can_be_asked_for_its_rows() -> None:
    known = a_street()
    schema = hand_made_model(known, {}).schema
    texts = [source_rows(fact, known, 0, 0) for fact in facts(schema)]
    assert not any(re.search(r"nan|None|later", text) for text in texts)
    assert sum(bool(text) for text in texts) > len(texts) / 2


def test_reasons_carry_their_kind_and_their_rows() -> None:
    known = a_street()
    model = hand_made_model(known, {"requests_all_time": 1.0, "household.children": 0.1})
    rows = Rows(np.array([0], dtype=np.int32), np.array([0], dtype=np.int16))
    (found,) = explained(model, known, build(known, rows, model.schema), np.array([0]))
    assert [one.kind for one in found] == ["history", "household"]
    assert {one.kind for one in found} <= set(kind_names())
    assert numbered(found).splitlines() == [
        "①近一年申请过2次暑期托管，最近一次是5月6日〔诉求 2024.5.6 r3、2023.10.20 r2〕",
        "②2个孩子〔住户登记 2021.3.4〕",
    ]
    assert numbered([found[1], found[1]]).endswith("②2个孩子〔同①〕")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_kind_of_reason_has_a_name(language: str) -> None:
    from features.blocks.build import BLOCKS, block_name

    set_language(language)
    names = kind_names()
    assert {block_name(block) for block in BLOCKS} <= set(names)
    assert names["seasons"] == {"zh": "时节", "en": "season"}[language]
    assert len(set(names.values())) == len(names)
