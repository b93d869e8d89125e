"""What each fold of a backtest is trained, stopped, finished and judged on: nothing from beyond its gap."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from make_records import make_community, make_records
from scipy.special import expit
from sklearn.metrics import average_precision_score
from small_town import AS_OF, NEEDS, town_rows

from features.point_in_time.labels import label_end, usual_recording_delay
from features.point_in_time.records import Known, known_before
from features.point_in_time.schema_fit import fit_schema
from features.units import WEEK
from models.dataset.sample import Table, training_table
from models.dataset.split import Fold, Split, split
from models.estimators.seasonal_level import Ahead
from models.estimators.train import MEMBERS, Rounds
from models.training.validate import Predicted, backtest, finish, out_of_time

HORIZON = np.array([WEEK * need["horizon_weeks"] for need in NEEDS], dtype=float)


class Recorder:
    """A trainer that learns nothing and notes which rows it is given for each fold."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.trained: list[np.ndarray] = []
        self.stopped: list[np.ndarray] = []

    def fit(
        self, rows: np.ndarray, given: Rounds | None, later: np.ndarray
    ) -> tuple[SimpleNamespace, Rounds]:
        """Note the rows; the members' log-odds are drawn by chance."""
        self.trained.append(rows)
        if given is None:
            self.stopped.append(later)
        draw = np.random.default_rng(len(self.trained))
        odds = SimpleNamespace(log_odds=lambda matrix, need: draw.normal(-2, 1, (len(matrix), len(MEMBERS))))
        return odds, Rounds(1, (1,) * len(NEEDS))


@pytest.fixture(scope="module")
def run() -> tuple[Known, Split, Recorder, Predicted]:
    rows = town_rows(households=40, requests=900)
    records = make_records(**rows, community=make_community(NEEDS))
    known = known_before(records, AS_OF)
    schema, plan = fit_schema(known), split(known)
    recorder = Recorder(training_table(lambda: (records, known), schema, plan.dates))
    with ThreadPoolExecutor(1) as beside:
        predicted, _ = backtest(records, known, schema, recorder, plan, iter, beside)  # type: ignore[arg-type]
        return known, plan, recorder, predicted.result()


def test_no_training_label_of_a_fold_reaches_over_its_gap(run: tuple) -> None:
    known, plan, recorder, _ = run
    table, delay = recorder.table, usual_recording_delay(known)
    assert len(plan.folds) == len(recorder.trained) >= 2
    ends = np.array([label_end(known.community, day) for day in table.as_of])
    end = ends[np.arange(len(table)), table.need] + delay
    for fold, trained in zip(plan.folds, recorder.trained, strict=True):
        np.testing.assert_array_equal(trained, np.flatnonzero(end <= fold.cut))


def test_trees_are_stopped_on_the_days_of_the_fold_and_the_newest_fold_stops_none(run: tuple) -> None:
    _, plan, recorder, _ = run
    assert len(recorder.stopped) == len(plan.folds) - 1
    for fold, later in zip(plan.folds, recorder.stopped, strict=False):
        days = recorder.table.as_of[later]
        assert len(days) and days.min() >= fold.cut and days.max() <= max(fold.dates)


def test_what_is_predicted_lies_behind_the_cut(run: tuple) -> None:
    _, plan, _, predicted = run
    for number, fold in enumerate(plan.folds):
        assert set(predicted.as_of[predicted.fold == number]) == set(fold.dates)
        assert predicted.as_of[predicted.fold == number].min() >= fold.cut


def test_a_folds_probabilities_are_finished_by_older_folds_only(run: tuple) -> None:
    _, plan, _, predicted = run
    per_request = [np.ones(len(NEEDS))] * len(plan.folds)

    def newest(judged: Predicted) -> np.ndarray:
        found = out_of_time(judged, plan.folds, HORIZON, per_request)
        return found.model[predicted.fold == len(plan.folds) - 1]

    def turned(fold: int) -> Predicted:
        label = np.where(predicted.fold == fold, 1 - predicted.label, predicted.label)
        return replace(predicted, label=label.astype(np.int8))

    last = len(plan.folds) - 1
    np.testing.assert_array_equal(newest(turned(last)), newest(predicted))
    assert not np.allclose(newest(turned(last - 1)), newest(predicted))


def test_days_of_a_single_fold_are_finished_by_its_other_days() -> None:
    plan, predicted, per_request = one_fold()
    found = out_of_time(predicted, plan, HORIZON[:1], per_request)
    first = predicted.as_of == predicted.as_of.min()
    informed = average_precision_score(predicted.label[first], found.plain[first])
    assert average_precision_score(predicted.label[first], found.model[first]) > 0.95 * informed
    changed = replace(predicted, label=np.where(first, 1 - predicted.label, predicted.label).astype(np.int8))
    again = out_of_time(changed, plan, HORIZON[:1], per_request)
    np.testing.assert_array_equal(again.model[first], found.model[first])  # a day's own labels change nothing
    assert not np.allclose(again.model[~first], found.model[~first])


def test_the_member_that_tells_households_apart_is_used_though_it_missed_the_level_of_every_day() -> None:
    _, predicted, _ = one_fold()
    plain, shared = MEMBERS.index("plain"), MEMBERS.index("pooled")
    right = predicted.parts[:, plain]
    for missed in (-2.0, 2.0):
        parts = np.full(predicted.parts.shape, right.mean())
        parts[:, shared] = 0.3 * right - 1.4  # nearly the level that came
        parts[:, plain] = right + missed
        found = finish(replace(predicted, parts=parts), np.ones(len(right), dtype=bool), HORIZON[:1])
        assert found.weights[0, plain] == 1


def one_fold() -> tuple[tuple[Fold, ...], Predicted, list[np.ndarray]]:
    """Two days of one fold, on which only the plain trees know who asks."""
    draw, homes = np.random.default_rng(0), 2000
    odds = draw.normal(-2, 1.5, 2 * homes)
    label = (draw.random(2 * homes) < expit(odds)).astype(np.int8)
    parts = draw.normal(-2, 1.5, (2 * homes, len(MEMBERS)))
    parts[:, MEMBERS.index("plain")] = odds
    days = np.repeat([700, 728], homes)
    level = {day: Ahead(np.array([float(homes) * 0.2]), np.zeros(1)) for day in (700, 728)}
    none = np.zeros(2 * homes, dtype=np.int16)
    homes_twice = np.tile(np.arange(homes), 2)
    predicted = Predicted(homes_twice, none, days, none.astype(np.int8), label, parts, {}, level, 1.0)
    return (Fold("one", 700, (700, 728)),), predicted, [np.ones(1)]
