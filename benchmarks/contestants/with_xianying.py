"""Xianying's own machinery: the same aggregates as the others, or all features that it makes itself.

python with_xianying.py DATA OUTPUT same|own

DATA holds the workspace with the records. Bins are made once a split and shared by its fits, which run beside each
other, each on one thread.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
from work import (
    CATEGORIES,
    FRESH,
    NUM_LEAVES,
    NUMBERS,
    SETTINGS,
    THREADS,
    TRAINED,
    TREES,
    WINDOWS,
    Stopwatch,
    evaluation,
    feature_names,
    read_work,
    save_checked,
    save_predictions,
    splits,
    stored,
)

from features.blocks.build import build, catalogue
from features.contract.attribute_values import booleans
from features.point_in_time.labels import labels
from features.point_in_time.records import Known, Records, Rows, day_of, known_before
from features.point_in_time.schema_fit import fit_schema
from features.point_in_time.town_summary import asked
from features.store.reader import read_records

ONE_THREAD = {**SETTINGS, "num_threads": 1}


def attribute_columns(known: Known, values: dict[str, int]) -> np.ndarray:
    """float32 [attribute columns, household rows]: indicators of the categories, then the numbers; 0 where unknown."""
    columns = []
    for name in CATEGORIES:
        codes = known.households.attributes[name].codes
        columns += [codes == code for code in range(values[name])]
    columns += [attribute_number(known, name) for name in NUMBERS]
    return np.array(columns, dtype=np.float32)


def attribute_number(known: Known, name: str) -> np.ndarray:
    """float64 per household row: a number, or a yes or no as 1 or 0; 0 where unknown."""
    texts = known.households.attributes[name]
    return np.nan_to_num(texts.gather(booleans(texts.distinct)))


def largest_known(known: Known, attributes: np.ndarray) -> np.ndarray:
    """float32 [attribute columns, households]: the largest value known of each; 0 where none is."""
    order = np.argsort(known.households.household, kind="stable")
    household = known.households.household[order]
    begins = np.flatnonzero(np.append(True, household[1:] != household[:-1]))
    largest = np.zeros((len(attributes), known.household_count), dtype=np.float32)
    largest[:, household[begins]] = np.maximum.reduceat(attributes[:, order], begins, axis=1)
    return largest


def same_aggregates(known: Known, cohort: np.ndarray, values: dict[str, int], out: np.ndarray) -> None:
    """Fills ``out`` (float32 [cohort, features]) with the aggregates that every contestant makes."""
    past = asked(known)
    last = np.full(known.household_count, np.inf)
    last[past.household] = past.age  # oldest first: the last assignment wins
    column = 0
    for window in WINDOWS:
        count = past.count(0, window)[cohort]
        width = count.shape[1]
        out[:, column] = count.sum(axis=1)
        out[:, column + 1 : column + 1 + width] = count
        out[:, column + 1 + width] = np.where(last <= window, FRESH - np.ceil(last), 0)[cohort]
        column += width + 2
    out[:, column:] = largest_known(known, attribute_columns(known, values))[:, cohort].T


def same_matrix(records: Records, days: list[int], cohorts: list[np.ndarray], values: dict[str, int]):
    """The matrix of the same aggregates, and the names of its columns; windows go by the time of recording."""
    recorded = replace(records.requests, requested=records.requests.visible_from)
    records = replace(records, requests=recorded)
    names = feature_names(len(records.community.needs), values)
    matrix = np.empty((sum(map(len, cohorts)), len(names)), dtype=np.float32)
    begin = 0
    for day, cohort in zip(days, cohorts, strict=True):
        part = matrix[begin : begin + len(cohort)]
        same_aggregates(known_before(records, day), cohort, values, part)
        begin += len(cohort)
    return matrix, names


def own_matrix(records: Records, days: list[int], cohorts: list[np.ndarray], need: int):
    """The matrix of all features that Xianying makes, and the names of its columns."""
    schema = fit_schema(known_before(records, days[TRAINED[0] - 1]))  # of what the first split may know
    names = [one.name for one in catalogue(schema)]
    matrix = np.empty((sum(map(len, cohorts)), len(names)), dtype=np.float32)
    begin = 0
    for day, cohort in zip(days, cohorts, strict=True):
        rows = Rows(cohort, np.full(len(cohort), need, dtype=np.int16))
        matrix[begin : begin + len(cohort)] = build(known_before(records, day), rows, schema).matrix
        begin += len(cohort)
    return matrix, names


def fit_shared(output: Path, matrix: np.ndarray, label: np.ndarray, household, as_of, rows_by_date) -> None:
    """The nine fits; those of a split share its bins. As many at a time as there are threads, the largest first."""

    def bins(train: slice) -> lgb.Dataset:
        return lgb.Dataset(matrix[train], label[train], params=ONE_THREAD).construct()

    def fit(job: int) -> tuple[dict, pd.DataFrame]:
        split, leaves = divmod(job, len(NUM_LEAVES))
        parameters = {**ONE_THREAD, "objective": "binary", "num_leaves": NUM_LEAVES[leaves], "seed": 0}
        model = lgb.train(parameters, binned[split], num_boost_round=TREES)
        test = parts[split][1]
        score = model.predict(matrix[test], num_threads=1)
        predictions = stored(job, household[test], as_of[test], label[test], score)
        return evaluation(label[test], score), predictions

    parts = splits(rows_by_date)
    jobs = range(len(parts) * len(NUM_LEAVES))
    binned = [bins(train) for train, _ in parts]  # not beside each other: that is where memory peaks
    with ThreadPoolExecutor(THREADS) as pool:
        done = dict(zip(reversed(jobs), pool.map(fit, reversed(jobs)), strict=True))
    save_predictions(output, [done[job][1] for job in jobs], [done[job][0] for job in jobs])


def main(data: Path, output: Path, kind: str) -> None:
    """All of the work."""
    watch = Stopwatch()
    dates, need, _, values = read_work(data)
    days = [day_of(date) for date in dates]
    watch.done("start")
    records = read_records(data / "workspace")
    watch.done("read")
    known_now = known_before(records, int(records.last_day) + 1)
    cohorts, found = [], []
    for day in days:
        cohort = np.flatnonzero(known_before(records, day).present).astype(np.int32)
        cohorts.append(cohort)
        rows = Rows(cohort, np.full(len(cohort), need, dtype=np.int16))
        found.append(labels(known_now, rows, day))
    watch.done("cohort and labels")
    if kind == "same":
        matrix, names = same_matrix(records, days, cohorts, values)
    else:
        matrix, names = own_matrix(records, days, cohorts, need)
    label, household = np.concatenate(found), np.concatenate(cohorts)
    rows_by_date = [len(cohort) for cohort in cohorts]
    as_of = np.repeat(np.array(dates, dtype="datetime64[s]"), rows_by_date)
    watch.done("features")
    fit_shared(output, matrix, label, household, as_of, rows_by_date)
    watch.done("fits")
    save_checked(output, matrix, names, label, household, as_of, dates)
    watch.done("check")
    watch.save(output)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
