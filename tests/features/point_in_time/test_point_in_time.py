"""Nothing recorded on or after the as-of date changes its features; and what every block keeps to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_records import make_records
from small_town import AS_OF, NEEDS, at, iso, town_records, town_rows

from features.blocks import history
from features.blocks.build import BLOCKS, block_name, facts, features_of, summarise
from features.point_in_time.cohort import cohort
from features.point_in_time.records import known_before
from models.scoring.untrained import fingerprint

every_block = pytest.mark.parametrize("block", BLOCKS, ids=block_name)
KEYS = {
    "households": ("valid_from", "household_id"),
    "residents": ("valid_from", "resident_id"),
    "requests": ("recorded_at", "request_id"),
    "outreach": ("contacted_at", "outreach_id"),
    "opt_outs": ("from", "household_id"),
}
BASE = town_rows()
BASE_KNOWN, BASE_ROWS, SCHEMA = at(town_records(BASE))

# From the moment at which the as-of date begins to long after, never before.
later = st.floats(0, 400).map(lambda days: AS_OF + round(days * 24) / 24)
households = st.sampled_from([row["household_id"] for row in BASE["households"]] + ["new1", "new2"])
needs = st.sampled_from([need["id"] for need in NEEDS])
past = st.floats(0, 1000).map(lambda days: AS_OF + 100 - days)
NEW_ROWS = {
    "households": st.builds(
        lambda household, day, children, area: {
            "household_id": household,
            "grid_id": f"g{area % 3}",
            "microgrid_id": f"m{area}",
            "valid_from": iso(day),
            "visible_from": day,
            "children": children,
            "income": "middle",
            "brand_new_attribute": "x",
        },
        households,
        later,
        st.integers(0, 3),
        st.integers(0, 8),
    ),
    "residents": st.builds(
        lambda household, day, number: {
            "resident_id": f"p{number}",
            "household_id": household,
            "valid_from": iso(day),
            "visible_from": day,
            "birth_year": 1930 + number,
        },
        households,
        later,
        st.integers(0, 80),
    ),
    "requests": st.builds(
        lambda household, need, day, requested, number: {
            "request_id": f"late{number}",
            "household_id": household,
            "need": need,
            "requested_at": iso(min(requested, day)),
            "recorded_at": iso(day),
            "visible_from": day,
            "resolved_at": iso(day),
            "satisfaction": 1,
        },
        households,
        needs,
        later,
        past,
        st.integers(0, 1000),
    ),
    "outreach": st.builds(
        lambda household, need, day, outcome: {
            "outreach_id": f"late{day}",
            "household_id": household,
            "need": need,
            "contacted_at": iso(day),
            "visible_from": day,
            "outcome": outcome,
        },
        households,
        needs,
        later,
        st.sampled_from(["needed", "not_needed", None]),
    ),
    "opt_outs": st.builds(
        lambda household, day: {"household_id": household, "from": iso(day), "visible_from": day},
        households,
        later,
    ),
}


@st.composite
def with_later_rows(draw):
    """The base rows, with rows added, and others corrected or removed, on or after the as-of date."""
    rows = {table: [dict(row) for row in listed] for table, listed in BASE.items()}
    for table, listed in rows.items():
        changed = draw(st.lists(st.integers(0, len(listed) - 1), max_size=4, unique=True))
        corrections = draw(st.lists(NEW_ROWS[table], min_size=len(changed), max_size=len(changed)))
        for index, correction in zip(changed, corrections, strict=True):
            moment = correction["visible_from"]
            listed[index]["visible_to"] = moment  # removed, or superseded by the correction
            if draw(st.booleans()):
                listed.append(
                    {
                        **correction,
                        **{name: listed[index][name] for name in KEYS[table] if name in listed[index]},
                    }
                )
        listed += draw(st.lists(NEW_ROWS[table], max_size=4))
    return rows


def columns(block, known, rows):
    return block.block(known, rows, summarise(known, SCHEMA), SCHEMA)


def pairs(known, rows):
    return [
        (known.household_ids[household], need)
        for household, need in zip(rows.household, rows.need, strict=True)
    ]


BASE_FINGERPRINT = fingerprint(BASE_KNOWN)
BASE_COLUMNS = {block: columns(block, BASE_KNOWN, BASE_ROWS) for block in BLOCKS}


@given(rows=with_later_rows())
@settings(max_examples=60)
def test_later_rows_change_no_feature(rows):
    known = known_before(town_records(rows), AS_OF)
    asked = cohort(known)
    assert pairs(known, asked) == pairs(BASE_KNOWN, BASE_ROWS)
    assert fingerprint(known) == BASE_FINGERPRINT
    town = summarise(known, SCHEMA)
    for block in BLOCKS:
        now = block.block(known, asked, town, SCHEMA)
        for name, before in BASE_COLUMNS[block].items():
            np.testing.assert_array_equal(now[name], before, err_msg=f"{block_name(block)}: {name}")


def test_the_same_rows_seen_a_day_later_do_change_features():
    """The check above can fail: a request recorded the day before the as-of date is seen."""
    rows = {
        **BASE,
        "requests": [
            *BASE["requests"],
            {"request_id": "late", "household_id": "h02", "need": "meals", "requested_at": iso(AS_OF - 1)},
        ],
    }
    known = known_before(town_records(rows), AS_OF)
    now = columns(history, known, cohort(known))
    assert any((now[name] != before).any() for name, before in BASE_COLUMNS[history].items())


@every_block
def test_columns_are_those_listed(block):
    listed = [feature.name for feature in features_of(block, SCHEMA)]
    assert sorted(listed) == sorted(BASE_COLUMNS[block])
    assert len(set(listed)) == len(listed)


@every_block
def test_columns_are_float32_finite_or_missing(block):
    for name, values in BASE_COLUMNS[block].items():
        assert values.dtype == np.float32, name
        assert values.shape == (len(BASE_ROWS),), name
        assert not np.isinf(values).any(), name


@every_block
def test_a_pair_does_not_depend_on_the_others_asked_for(block):
    town = summarise(BASE_KNOWN, SCHEMA)
    order = np.random.default_rng(1).permutation(len(BASE_ROWS))[: len(BASE_ROWS) // 2]
    some = block.block(BASE_KNOWN, BASE_ROWS.take(order), town, SCHEMA)
    for name, whole in BASE_COLUMNS[block].items():
        np.testing.assert_array_equal(some[name], whole[order], err_msg=name)


@every_block
def test_the_order_of_the_rows_of_a_table_does_not_matter(block):
    rows = {table: listed[::-1] for table, listed in BASE.items()}
    known = known_before(town_records(rows), AS_OF)
    for name, values in columns(block, known, cohort(known)).items():
        np.testing.assert_allclose(values, BASE_COLUMNS[block][name], rtol=1e-5, err_msg=name)


@every_block
@pytest.mark.parametrize(
    "tables",
    [
        {"requests": []},
        {"outreach": []},
        {"residents": []},
        {"requests": [], "outreach": [], "residents": [], "opt_outs": []},
        {
            "requests": [],
            "outreach": [],
            "residents": [],
            "opt_outs": [],
            "households": BASE["households"][:1],
        },
    ],
    ids=["no requests", "no outreach", "no residents", "households only", "one household, one row"],
)
def test_runs_without_rows(block, tables):
    known, rows, schema = at(town_records({**BASE, **tables}))
    made = block.block(known, rows, summarise(known, schema), schema)
    assert set(made) == {feature.name for feature in features_of(block, schema)}
    for name, values in made.items():
        assert len(values) == len(rows), name
        assert not np.isinf(values).any(), name


@every_block
def test_runs_before_anything_was_known(block):
    known, rows, schema = at(make_records(households=[{"household_id": "h1"}]), as_of=0)
    made = block.block(known, rows, summarise(known, schema), schema)
    assert {len(values) for values in made.values()} <= {0}


@every_block
def test_every_fact_that_a_feature_names_can_be_told(block):
    told = block.facts(SCHEMA) if hasattr(block, "facts") else block.FACTS
    assert {feature.fact for feature in features_of(block, SCHEMA)} - {""} <= set(facts(SCHEMA))
    for fact in told.values():
        for household, need in zip(BASE_ROWS.household, BASE_ROWS.need, strict=True):
            text = fact(BASE_KNOWN, SCHEMA, int(household), int(need))
            assert isinstance(text, str)
            assert "nan" not in text


@every_block
def test_features_are_described_in_both_languages(block):
    for feature in features_of(block, SCHEMA):
        assert feature.zh and feature.en, feature.name
