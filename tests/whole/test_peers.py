"""The benchmark beside peers: its plain pandas script and Xianying's aggregates are the same work."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.ingest.ingest import ingest
from features.point_in_time.labels import labels
from features.point_in_time.records import Rows, day_of, known_before
from features.simulation.simulate import simulate
from features.store.reader import read_records

END = date(2025, 8, 25)
DAYS = [END - timedelta(weeks=weeks) for weeks in (40, 20, 8)]


def test_plain_script_and_aggregates_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks" / "contestants"))
    import town
    import with_pandas
    import with_xianying
    import work

    simulate(tmp_path / "town", households=150, weeks=100, end=END, draws=1, dirty=0.05)
    ingest(tmp_path / "town", tmp_path / "workspace")
    records = read_records(tmp_path / "workspace")
    town.write_tables(records, tmp_path)
    _, need, needs, values = work.read_work(tmp_path)
    names = work.feature_names(needs, values)
    requests = pd.read_parquet(tmp_path / "requests.parquet")
    households = pd.read_parquet(tmp_path / "households.parquet")
    attributes = with_pandas.indicators(households, values)

    days = [day_of(day) for day in DAYS]
    cohorts = [np.flatnonzero(known_before(records, day).present) for day in days]
    matrix, own_names = with_xianying.same_matrix(records, days, cohorts, values)
    assert own_names == names
    known_now = known_before(records, int(records.last_day) + 1)
    begin = 0
    for at, day, cohort in zip(DAYS, days, cohorts, strict=True):
        plain = with_pandas.features_at(pd.Timestamp(at), requests, households, attributes, needs)
        assert list(plain.index) == list(cohort)
        part = matrix[begin : begin + len(cohort)]
        np.testing.assert_allclose(part, plain[names].fillna(0).to_numpy(dtype=np.float32), atol=1e-3)
        assert part[:, names.index("recency_364")].any()
        rows = Rows(cohort.astype(np.int32), np.full(len(cohort), need, dtype=np.int16))
        label = with_pandas.labels_at(pd.Timestamp(at), requests, need, plain.index)
        np.testing.assert_array_equal(labels(known_now, rows, day), label)
        begin += len(cohort)
