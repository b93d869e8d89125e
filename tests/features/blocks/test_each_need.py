from dataclasses import replace

import numpy as np
from make_records import make_community, make_records
from small_town import AS_OF, NEEDS, town_rows

from features.blocks import activity
from features.blocks.build import build, catalogue
from features.point_in_time import schema_fit
from features.point_in_time.cohort import cohort
from features.point_in_time.records import known_before
from features.point_in_time.schema import Schema
from features.point_in_time.schema_fit import fit_schema
from features.point_in_time.town_summary import asked


def town():
    return known_before(
        make_records(**town_rows(households=30, requests=400), community=make_community(NEEDS)), AS_OF
    )


def test_every_row_of_a_household_tells_what_it_asked_for_of_each_need():
    known = town()
    made = build(known, cohort(known), fit_schema(known))
    past = asked(known)
    for place, need in enumerate(NEEDS):
        for name, values in (
            ("requests_91_days", past.count(0, 91)),
            ("days_since_request", past.last_two()[0]),
        ):
            column = made.matrix[:, made.names.index(f"{need['id']}.{name}")]
            np.testing.assert_array_equal(column, values[made.rows.household, place].astype(np.float32))


def test_the_columns_are_the_last_and_stay_few_where_needs_are_many(monkeypatch):
    monkeypatch.setattr(schema_fit, "MOST_LEADING", 1)
    schema = fit_schema(town())
    assert len(schema.leading) == 1
    own = [one.name for one in activity.features(schema) if one.role == "each_need"]
    assert len(own) == 5 and [one.name for one in catalogue(schema)][-5:] == own


def test_a_schema_of_an_earlier_version_has_none_of_them():
    schema = fit_schema(town())
    written = schema.to_json()
    assert Schema.from_json(written) == schema
    del written["leading"]
    assert Schema.from_json(written) == replace(schema, leading=())
    assert activity.features(Schema.from_json(written)) == list(activity.FEATURES)
