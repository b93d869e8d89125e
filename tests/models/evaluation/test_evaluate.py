from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from models.evaluation.evaluate import ALL, Validation, evaluate, resampled, values_of
from models.evaluation.ties import extremes, hits_along, hits_at


def one_day(score, label, households=None):
    """Rows of one need on one as-of day."""
    count = len(label)
    household = np.arange(count) if households is None else np.asarray(households)
    none = np.zeros(count, dtype=np.int32)
    return Validation(
        household.astype(np.int32), none, none, none, np.asarray(label, dtype=np.int8),
        {"model": np.asarray(score, dtype=np.float64)}, ("2024-01-01",),
    )  # fmt: skip


def measured(score, label, capacity=2):
    rows = one_day(score, label)
    return values_of(rows, rows.scores["model"], capacity, True, resampled(len(label), 50)).value


@pytest.fixture
def random_rows():
    generator = np.random.default_rng(3)
    p = generator.random(500) ** 3
    return p, (generator.random(500) < p).astype(int)


def test_agrees_with_scikit_learn(random_rows):
    p, label = random_rows
    value = measured(p, label)
    assert value["average_precision"] == pytest.approx(average_precision_score(label, p))
    assert value["area_under_curve"] == pytest.approx(roc_auc_score(label, p))
    assert value["brier"] == pytest.approx(brier_score_loss(label, p))


def test_tied_scores_agree_with_scikit_learn(random_rows):
    p, label = random_rows
    coarse = np.round(p, 1)
    value = measured(coarse, label)
    assert value["average_precision"] == pytest.approx(average_precision_score(label, coarse))
    assert value["area_under_curve"] == pytest.approx(roc_auc_score(label, coarse))


def test_ties_are_broken_at_random_with_best_and_worst_case():
    # one place is left for three tied households, one of which asked
    value = measured([0.9, 0.5, 0.5, 0.5, 0.1], [1, 1, 0, 0, 0], capacity=2)
    assert value["precision_at_capacity"] == pytest.approx((1 + 1 / 3) / 2)
    assert value["precision_at_capacity_best"] == pytest.approx(1.0)
    assert value["precision_at_capacity_worst"] == pytest.approx(0.5)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=40), st.integers(1, 20))
def test_a_draw_of_the_households_is_visited_in_proportion(rows, visits):
    score, label = np.array(rows, dtype=float).T
    town = one_day(np.tile(score, 2), np.tile(label, 2))  # of each household there are two
    drawn = replace(one_day(score, label), share=0.5)
    whole, half = (
        values_of(one, one.scores["model"], visits, True, resampled(len(one), 10)).value
        for one in (town, drawn)
    )
    for name in ("precision", "recall", "lift"):
        assert whole[f"{name}_at_capacity"] == pytest.approx(half[f"{name}_at_capacity"], nan_ok=True)


def test_a_rule_that_treats_all_alike_has_the_base_rate():
    value = measured(np.ones(100), np.arange(100) < 7, capacity=10)
    assert value["precision_at_capacity"] == pytest.approx(0.07)
    assert value["lift_at_2_percent"] == pytest.approx(1.0)
    assert value["area_under_curve"] == pytest.approx(0.5)


def test_capacity_counts_for_each_date():
    rows = one_day([0.9, 0.8, 0.1, 0.7, 0.6, 0.2], [1, 0, 0, 1, 1, 0], households=[0, 1, 2, 0, 1, 2])
    rows.as_of[:] = [0, 0, 0, 7, 7, 7]
    value = values_of(rows, rows.scores["model"], 1, True, resampled(3, 10)).value
    assert value["precision_at_capacity"] == pytest.approx(1.0)  # the best household of each of two dates
    assert value["recall_at_capacity"] == pytest.approx(2 / 3)


def test_calibration_error_and_predicted_over_observed():
    p = np.repeat([0.1, 0.3], 500)
    label = np.concatenate([np.arange(500) < 50, np.arange(500) < 50]).astype(int)
    value = measured(p, label)
    assert value["predicted_over_observed"] == pytest.approx(2.0)
    assert value["calibration_error"] >= 0.1 - 1e-9


def test_intervals_hold_the_value_and_shrink_with_households():
    generator = np.random.default_rng(5)
    width = {}
    for count in (300, 4800):
        p = generator.random(count) * 0.4
        label = (generator.random(count) < p).astype(int)
        rows = one_day(p, label)
        table = evaluate(rows, ["meals"], 30, ["model"], "model").metrics
        row = table[(table["metric"] == "average_precision") & (table["need"] == "meals")].iloc[0]
        assert row["low"] <= row["value"] <= row["high"]
        width[count] = row["high"] - row["low"]
    assert width[4800] < width[300] / 2


def test_households_are_resampled_with_all_their_rows():
    # the same household ten times over is no more evidence than once
    generator = np.random.default_rng(6)
    p, label = generator.random(200), generator.random(200) < 0.3
    once = one_day(p, label)
    often = one_day(np.tile(p, 10), np.tile(label, 10), households=np.tile(np.arange(200), 10))
    often.as_of[:] = np.repeat(np.arange(10) * 7, 200)
    weights = resampled(200, 300)
    spread = [
        np.std(values_of(rows, rows.scores["model"], 4, True, weights).replicates["brier"])
        for rows in (once, often)
    ]
    assert spread[1] == pytest.approx(spread[0], rel=1e-3)


def test_a_replicate_is_the_metrics_of_the_households_it_drew():
    generator = np.random.default_rng(8)
    homes, days = 60, 3
    p = np.round(generator.random(days * homes), 1)  # few groups of ties, which replicates keep apart
    label = generator.random(days * homes) < p / 2
    rows = one_day(p, label, households=np.tile(generator.permutation(homes), days))
    rows.as_of[:] = np.repeat(np.arange(days) * 7, homes)
    weights = resampled(homes, 5)
    again = values_of(rows, rows.scores["model"], 6, True, weights).replicates
    for replicate in range(5):
        times = weights[:, replicate].astype(int)[rows.household]
        drawn = rows.take(np.repeat(np.arange(len(rows)), times))
        value = values_of(drawn, drawn.scores["model"], 6, True, weights).value
        for name in set(again) - {"calibration_error"}:  # its bins are those of all households
            assert again[name][replicate] == pytest.approx(value[name]), name


def test_tables_tell_needs_folds_and_all():
    generator = np.random.default_rng(7)
    count = 400
    rows = Validation(
        np.tile(np.arange(100, dtype=np.int32), 4),
        np.repeat([0, 1], 200).astype(np.int16),
        np.zeros(count, dtype=np.int32),
        np.tile(np.repeat([0, 1], 100), 2).astype(np.int8),
        (generator.random(count) < 0.2).astype(np.int8),
        {"model": generator.random(count), "rule": np.ones(count)},
        ("first", "second"),
    )
    found = evaluate(rows, ["meals", "repair"], 5, ["model"], "model", replicates=20)
    assert set(found.metrics["need"]) == {"meals", "repair", ALL}
    assert set(found.metrics["fold"]) == {"first", "second"}
    assert not (found.metrics["ranker"].eq("rule") & found.metrics["metric"].eq("brier")).any()
    total = found.metrics.query("metric == 'positives' and ranker == 'model' and fold == 'first'")
    by_need = total.set_index("need")["value"]
    assert by_need[ALL] == by_need["meals"] + by_need["repair"]
    assert len(found.reliability) == 2 * 10
    assert found.reliability["count"].sum() == 200  # the newest fold only
    flat = found.lift[(found.lift["ranker"] == "rule")]
    assert flat["lift"].to_numpy() == pytest.approx(1.0)


def test_needs_without_positives_are_left_out():
    found = evaluate(one_day([0.1, 0.2], [0, 0]), ["meals"], 1, ["model"], "model")
    assert found.metrics.empty and found.lift.empty and found.reliability.empty


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8), st.integers(0, 40))
@settings(max_examples=60)
def test_expected_hits_lie_between_none_and_all(groups, take):
    positive = np.array([min(a, b) for a, b in groups], dtype=float)[:, None]
    total = np.array([max(a, b) for a, b in groups], dtype=float)[:, None]
    hits = hits_at(total, positive, np.array([float(take)]))[0]
    assert hits_along(total, positive, np.array([[take / 2], [take]]))[1, 0] == pytest.approx(hits)
    best, worst = extremes(total[:, 0], positive[:, 0], float(take))
    assert worst - 1e-9 <= hits <= best + 1e-9
    assert -1e-9 <= hits <= min(take, positive.sum()) + 1e-9
    if take >= total.sum():
        assert hits == pytest.approx(positive.sum())
