"""A household scored by itself gets what the week's batch gives it."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hand_made import GOOD, hand_made_model, small_community
from hypothesis import given, settings
from hypothesis import strategies as st
from make_records import make_community, make_records
from small_town import AS_OF, NEEDS, iso, town_rows

from features.blocks.build import build, catalogue, summarise
from features.contract.tables import TABLES
from features.point_in_time.ages import aggregates
from features.point_in_time.cohort import cohort
from features.point_in_time.posted_household import Posted, attribute_text, need_of_text, posted_records
from features.point_in_time.records import known_before
from features.point_in_time.schema_fit import fit_schema
from features.point_in_time.subset import alone
from features.store.partitions import InMemory
from features.store.reader import match_texts
from models.scoring.live import score_apart, town_state
from models.scoring.score import score

ROWS = town_rows(households=60, requests=1500)


@pytest.fixture(scope="module")
def batch():
    records = make_records(**ROWS, community=small_community())
    model = hand_made_model(known_before(records, AS_OF), GOOD, trees=True)
    scored = score(records, model, AS_OF, 1)
    return records, model, scored, town_state(scored.town_scores, InMemory(records))


def post(household: str, rows: dict[str, list[dict[str, Any]]] = ROWS) -> Posted:
    """A household's rows as another system would post them."""

    def time(value: Any) -> Any:
        return datetime.fromisoformat(value) if isinstance(value, str) else value

    def shaped(table: str) -> list[dict[str, Any]]:
        found = []
        for row in rows[table]:
            if row["household_id"] != household:
                continue
            fixed = {key: value for key, value in row.items() if key in TABLES[table].columns}
            times = {
                key: time(value) for key, value in fixed.items() if TABLES[table].columns[key].kind == "time"
            }
            attributes = {key: value for key, value in row.items() if key not in fixed}
            found.append({"valid_from": datetime(2020, 1, 1), **fixed, **times, "attributes": attributes})
        return found

    return Posted(
        household, *(shaped(table) for table in ("households", "residents", "requests", "outreach"))
    )


def as_records(posted: list[Posted], state):
    return posted_records(
        posted,
        state.community,
        state.partitions[0].grid_ids,
        state.partitions[0].microgrid_ids,
        state.partitions[0].attributes,
        state.has_residents,
        state.has_outreach,
    )


def test_the_features_of_a_household_by_itself_are_those_within_the_town(batch):
    records, model, scored, _ = batch
    known = scored.known
    town, whole = summarise(known, model.schema), scored.features
    for household in range(60):
        one = known_before(alone(records, household), town.as_of, town)
        found = build(one, cohort(one), model.schema, town)
        mine = whole.rows.household == household
        assert list(found.rows.need) == list(whole.rows.need[mine])
        assert np.array_equal(found.matrix, whole.matrix[mine], equal_nan=True)


def test_a_resident_who_moved_to_another_household_counts_there_only():
    mover = next(row for row in ROWS["residents"] if row["household_id"] != "h07")
    moved = {**mover, "household_id": "h07", "valid_from": iso(AS_OF - 90)}
    rows = {**ROWS, "residents": [*ROWS["residents"], moved]}
    records = make_records(**rows, community=small_community())
    for as_of, home in ((AS_OF, "h07"), (AS_OF - 91, mover["household_id"])):
        known = known_before(records, as_of)
        whole = aggregates(known)["residents"]
        apart = [aggregates(known_before(alone(records, one), as_of))["residents"][0] for one in range(60)]
        assert np.array_equal(whole, apart, equal_nan=True)
        here = records.household_ids[known.residents.household[known.resident_rows]]
        names = [row["resident_id"] for row in rows["residents"] if row["household_id"] == home]
        assert (here == home).sum() == len(set(names))


def test_posted_records_score_as_in_the_batch(batch):
    _, model, scored, state = batch
    by_household = dict(list(scored.scores.groupby("household_id")))
    risks = scored.risk.set_index("household_id")
    names = [f"h{number:02d}" for number in range(60)]
    together = score_apart(state, model, as_records([post(name) for name in names], state), in_town=True)
    for number, household in enumerate(names):
        found = together[number]
        if number % 10 == 0:  # nothing of one household tells on another
            (apart,) = score_apart(state, model, as_records([post(household)], state), in_town=True)
            assert np.array_equal(apart.p_need, found.p_need) and apart.risk == found.risk
        kept = by_household[household]
        assert found.needs == list(kept["need"])
        assert found.p_request == pytest.approx(kept["p_request"].to_numpy(), abs=1e-12)
        assert found.p_need == pytest.approx(kept["p_need"].to_numpy(), abs=1e-12)
        assert (found.rank <= kept["rank"].to_numpy()).all()  # equal but for ties
        assert found.risk == pytest.approx(risks.loc[household, "risk"], abs=1e-12)


def test_a_household_that_is_new_is_scored_as_the_same_one_within_the_town(batch):
    """Its own rows change the town's tables a little when it is added; its probabilities move no more than that."""
    records, model, _, _ = batch
    new = "h60"
    rows = {
        table: [
            *content,
            *(
                {**row, "household_id": new, **_renamed(row)}
                for row in content
                if row["household_id"] == "h04"
            ),
        ]
        for table, content in ROWS.items()
    }
    with_it = score(make_records(**rows, community=small_community()), model, AS_OF, 1).scores
    state = town_state(score(records, model, AS_OF, 1).town_scores, InMemory(records))
    found = score_apart(state, model, as_records([post(new, rows)], state), in_town=False)[0]
    kept = with_it[with_it["household_id"] == new]
    assert found.p_request == pytest.approx(kept["p_request"].to_numpy(), rel=0.05)


def test_what_a_new_household_asks_itself_is_not_taken_from_what_its_neighbours_ask(batch):
    records = batch[0]
    near = {"microgrid_asking_28_days": 0.3, "grid_asking_28_days": 0.05}
    model = hand_made_model(known_before(records, AS_OF), near)
    state = town_state(score(records, model, AS_OF, 1).town_scores, InMemory(records))
    moment = datetime.fromisoformat(iso(AS_OF - 5))
    asked = [{"need": need, "requested_at": moment, "request_id": need} for need in model.schema.needs]
    home = post("h04")
    silent, asking = (
        score_apart(state, model, as_records([Posted("new", home.households, [], requests)], state), False)[0]
        for requests in ([], asked)
    )
    assert silent.needs == list(model.schema.needs) and (silent.p_request > 0.06).any()
    assert np.array_equal(asking.p_request, silent.p_request)


def _renamed(row: dict[str, Any]) -> dict[str, Any]:
    return {key: f"{row[key]}-new" for key in ("request_id", "resident_id", "outreach_id") if key in row}


def test_what_comes_later_changes_nothing(batch):
    _, model, _, state = batch
    posted = post("h04")
    later = [{"need": "meals", "requested_at": datetime.fromisoformat(iso(AS_OF)), "request_id": "x"}]
    more = Posted("h04", posted.households, posted.residents, [*posted.requests, *later], posted.outreach)
    before, after = (score_apart(state, model, as_records([one], state), True)[0] for one in (posted, more))
    assert (before.p_request == after.p_request).all()


def test_a_household_without_any_history_in_an_unknown_place_is_scored(batch):
    _, model, _, state = batch
    row = {
        "grid_id": "g9",
        "microgrid_id": "m9",
        "valid_from": datetime(2024, 8, 1, tzinfo=UTC),
        "attributes": {"children": 2},
    }
    new = Posted("new", [row])
    (found,) = score_apart(state, model, as_records([new], state), in_town=False)
    (beside, _) = score_apart(state, model, as_records([new, post("h04")], state), in_town=False)
    assert np.array_equal(found.p_need, beside.p_need)  # also of a household with other attributes
    assert found.needs and np.isfinite(found.p_request).all() and found.tier in ("red", "yellow", "green")


WIDE = ("children", "elders", "income", "rents", "head_birth_year")
ASKED_OF = ("children > 0 and elders >= 0", "head_age >= 60 or rents", "income == 'low' or not rents")


def wide_rows(emptied: set[str]) -> dict[str, list[dict[str, Any]]]:
    """Rows of a town with more attributes, of which household h04 has some cells empty."""
    more = [
        {**row, "elders": at % 2, "rents": ("是", "否")[at % 3 % 2], "head_birth_year": 1940 + at}
        for at, row in enumerate(ROWS["households"])
    ]
    homes = [
        {name: None if row["household_id"] == "h04" and name in emptied else row[name] for name in row}
        for row in more
    ]
    return {**ROWS, "households": homes}


@pytest.fixture(scope="module")
def wide():
    needs = [{**need, "who": who} for need, who in zip(NEEDS, ASKED_OF, strict=True)]
    community = make_community(needs, outreach={"visits_per_worker": 1})
    records = make_records(**wide_rows(set()), community=community)
    known = known_before(records, AS_OF)
    columns = [one.name for one in catalogue(fit_schema(known)) if one.name.startswith(WIDE)]
    model = hand_made_model(known, dict.fromkeys(columns, 0.01), trees=True)
    return community, model, town_state(score(records, model, AS_OF, 1).town_scores, InMemory(records))


@settings(max_examples=32)
@given(st.sets(st.sampled_from(WIDE)), st.booleans(), st.booleans())
def test_an_attribute_that_is_not_posted_is_an_empty_cell(wide, left_out, without_residents, in_town):
    community, model, state = wide
    rows = wide_rows(left_out)
    if without_residents:
        rows["residents"] = [row for row in rows["residents"] if row["household_id"] != "h04"]
    town = make_records(**rows, community=community)
    cells = score_apart(state, model, alone(town, list(town.household_ids).index("h04")), in_town)[0]
    posted = post("h04", rows)
    for row in posted.households:
        row["attributes"] = {name: value for name, value in row["attributes"].items() if name not in left_out}
    found = score_apart(state, model, as_records([posted], state), in_town)[0]
    assert found.needs == cells.needs and found.tier == cells.tier and found.risk == cells.risk
    for name in ("p_request", "p_need", "rank"):
        assert np.array_equal(getattr(found, name), getattr(cells, name)), name


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (3.0, "3"),
        (2.5, "2.5"),
        (" 是 ", "是"),
        ("", None),
        (None, None),
    ],
)
def test_attributes_become_the_texts_that_a_file_would_give(value, text):
    assert attribute_text(value) == text


@settings(max_examples=40)
@given(st.lists(st.text("托管饭菜abcAB ", max_size=8), min_size=1, max_size=5))
def test_texts_find_the_same_need_as_in_a_file(texts):
    import duckdb

    community = make_community(
        [{"id": "one", "keywords": ["托管", "AB", "饭"]}, {"id": "two", "keywords": ["饭菜", "托", "c"]}]
    )
    with duckdb.connect() as connection:
        connection.register("texts", pd.DataFrame({"text": pd.Series(texts, dtype=object)}))
        match_texts(connection, community, "SELECT DISTINCT text FROM texts")
        found = dict(connection.execute("SELECT text, need_index FROM text_needs").fetchall())
    assert {text: need_of_text(text, community) for text in set(texts)} == {
        text: found.get(text, -1) for text in set(texts)
    }


@given(st.lists(st.text("0123456789.,-+eE年月日/ T:，x", max_size=12), max_size=6))
def test_few_texts_read_one_by_one_say_what_pandas_says(texts):
    from unittest.mock import patch

    from features.contract import attribute_values as values

    column = np.array([text.strip() for text in texts], dtype=object)
    for read in (values.numbers, values.days, values.births, values.booleans):
        few = read(column)
        with patch.object(values, "FEW", -1):
            assert np.array_equal(few, read(column), equal_nan=True), read
