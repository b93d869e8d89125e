"""Sums by group and factors of attributes, against plain loops over one need at a time."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from small_town import at, town_records, town_rows

from features.blocks import similar
from features.point_in_time.cohort import eligible
from features.point_in_time.town_summary import asked, days_observed, members, rate


@given(st.integers(1, 300), st.integers(1, 5), st.integers(1, 12), st.booleans(), st.integers(0, 2**32 - 1))
def test_sums_are_those_of_bincount_to_the_last_bit(
    households: int, needs: int, groups: int, in_none: bool, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    group = draw.integers(-1 if in_none else 0, groups, households)
    values = draw.gamma(0.1, 10.0, (households, needs))
    here = group >= 0
    one_by_one = [np.bincount(group[here], values[here, need], groups) for need in range(needs)]
    assert np.array_equal(members(group, groups) @ values, np.stack(one_by_one, axis=1))


def test_factors_of_attributes_are_those_of_one_need_at_a_time() -> None:
    known, _, schema = at(town_records(town_rows(households=200, requests=1500)))
    able = eligible(known)
    count = asked(known).total() * able
    exposure = able * days_observed(known)[:, None]
    expected = exposure * rate(count.sum(0), exposure.sum(0))
    columns = similar.fit(known, schema, count, expected)
    assert len(columns) > 1
    for need in range(count.shape[1]):
        left = expected[:, need].copy()
        factor = {column.name: np.ones(len(column.factors)) for column in columns}
        for _ in range(similar.SWEEPS):
            for column in columns:
                code = similar.codes_of(known, schema, column.name, column.edges)
                seen, due = (np.bincount(code, each, len(column.factors)) for each in (count[:, need], left))
                step = (seen + similar.PRIOR) / (due + similar.PRIOR)
                left *= step[code]
                factor[column.name] *= step
        for column in columns:
            assert np.array_equal(column.factors[:, need], factor[column.name])
