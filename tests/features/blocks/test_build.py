"""The one path to features."""

import numpy as np
from small_town import AS_OF, at, town_records, town_rows

from features.blocks.build import BLOCKS, build, catalogue, facts, summarise

KNOWN, ROWS, SCHEMA = at(town_records(town_rows()))


def test_the_matrix_has_the_catalogue_s_columns():
    made = build(KNOWN, ROWS, SCHEMA)
    assert made.names == [feature.name for feature in catalogue(SCHEMA)]
    assert made.matrix.shape == (len(ROWS), len(made.names))
    assert made.matrix.dtype == np.float32 and made.matrix.flags.c_contiguous
    assert made.as_of == AS_OF
    assert not np.isinf(made.matrix).any()


def test_names_are_unique_and_every_feature_s_fact_can_be_told():
    listed = catalogue(SCHEMA)
    assert len({feature.name for feature in listed}) == len(listed)
    assert {feature.fact for feature in listed} - {""} <= set(facts(SCHEMA))
    assert sum(len(getattr(block, "FACTS", {})) for block in BLOCKS) <= len(facts(SCHEMA))


def test_a_subset_of_the_pairs_has_the_same_features():
    whole = build(KNOWN, ROWS, SCHEMA)
    town = summarise(KNOWN, SCHEMA)
    keep = np.random.default_rng(0).permutation(len(ROWS))[:11]
    np.testing.assert_array_equal(build(KNOWN, ROWS.take(keep), SCHEMA, town).matrix, whole.matrix[keep])
    np.testing.assert_array_equal(build(KNOWN, ROWS.take(keep[:1]), SCHEMA).matrix, whole.matrix[keep[:1]])


def test_each_column_stands_under_its_own_name():
    made = build(KNOWN, ROWS, SCHEMA)
    town = summarise(KNOWN, SCHEMA)
    for block in BLOCKS:
        for name, values in block.block(KNOWN, ROWS, town, SCHEMA).items():
            np.testing.assert_array_equal(made.matrix[:, made.names.index(name)], values, err_msg=name)
