from dataclasses import replace

import numpy as np
import pytest
from make_records import make_community

from features.language import speaking
from models.evaluation.baselines import MODEL, PLAIN, REQUEST_COUNT
from models.evaluation.evaluate import Validation
from models.evaluation.soundness import (
    FAR_HIGH,
    FAR_LOW,
    RANGE,
    RANKING_ONLY,
    RULE,
    ratio_interval,
    soundness,
    soundness_lines,
    told_with_model,
)

NEEDS = ("meals", "visit")
COMMUNITY = make_community(
    [{"id": need, "name": {"zh": need, "en": need}, "horizon_weeks": 8} for need in NEEDS]
)
NOT_BOUNDED = FORESEEN = np.zeros(2, dtype=bool)
HORIZON = np.full(2, 56.0)


def validation(levels: tuple[float, float], order: float = 1.0, households: int = 1500) -> Validation:
    """Three folds of two days. The model's probabilities are the true ones times ``levels`` of each need; ``order``:
    -1 turns the model's order of the first need round."""
    draw = np.random.default_rng(0)
    columns = []
    for fold in range(3):
        for day in range(2):
            for need in range(2):
                true = draw.beta(1, 15, households)
                label = draw.random(households) < true
                shown = true if need or order > 0 else true.mean() * 2 - np.minimum(true, 2 * true.mean())
                columns.append(
                    (
                        np.arange(households),
                        need,
                        100 * fold + 28 * day,
                        fold,
                        label,
                        shown * levels[need],
                        true,
                    )
                )
    sizes = [len(column[0]) for column in columns]
    household, label, model, true = (
        np.concatenate([column[at] for column in columns]) for at in (0, 4, 5, 6)
    )
    need, as_of, fold = (np.repeat([column[at] for column in columns], sizes) for at in (1, 2, 3))
    scores = {MODEL: model, PLAIN: true, REQUEST_COUNT: np.zeros(len(true))}
    return Validation(household, need, as_of, fold, label.astype(np.int8), scores, ("a", "b", "c"))


def used(rows: Validation, bounded: np.ndarray = NOT_BOUNDED, loose: np.ndarray = FORESEEN) -> dict[str, str]:
    table = soundness(rows, NEEDS, HORIZON, bounded, loose)
    return dict(zip(table["need"], table["use"], strict=True))


def test_a_sound_model_is_marked_for_nothing_and_says_nothing():
    table = soundness(validation((1.0, 1.05)), NEEDS, HORIZON, NOT_BOUNDED, FORESEEN)
    assert set(table["use"]) == {""} and not table["far"].any()
    assert not soundness_lines(table, COMMUNITY) and not told_with_model(table, COMMUNITY)


def test_a_quarter_of_what_comes_is_found_and_said_with_what_to_do():
    table = soundness(validation((0.22, 1.0)), NEEDS, HORIZON, NOT_BOUNDED, FORESEEN)
    assert list(table["use"]) == [RANKING_ONLY, ""] and list(table["far"]) == [True, False]
    with speaking("en"):
        (line,) = soundness_lines(table, COMMUNITY)
    assert line.startswith("warning, meals") and "too few" in line and "retrain" in line
    (told,) = told_with_model(table, COMMUNITY)
    assert told["en"] == line and told["zh"].startswith("注意 meals")


def test_needs_whose_number_is_uncertain_share_a_line_and_refuse_no_model():
    loose = np.ones(2, dtype=bool)
    table = soundness(validation((1.0, 1.05)), NEEDS, HORIZON, NOT_BOUNDED, loose)
    assert list(table["use"]) == [RANGE, RANGE]
    with speaking("en"):
        (line,) = soundness_lines(table, COMMUNITY)
        assert not soundness_lines(table, COMMUNITY, only_far=True)
    assert line.startswith("meals, visit: the number is uncertain") and "range" in line
    assert not told_with_model(table, COMMUNITY), "the list of needs marks the numbers of its own windows"
    assert used(validation((0.22, 1.0)), loose=loose) == {"meals": RANKING_ONLY, "visit": RANGE}


def test_a_rule_is_advised_only_where_the_count_ranks_better_than_the_model():
    rows = validation((1.0, 1.0))
    mixed = np.where(np.random.default_rng(1).random(len(rows.label)) < 0.1, rows.scores[MODEL], 0.06)
    worse = replace(rows, scores=rows.scores | {MODEL: mixed})
    counted = replace(rows, scores=worse.scores | {REQUEST_COUNT: rows.scores[PLAIN]})
    said = {}
    with speaking("en"):
        for name, judged in (("plain", worse), ("count", counted)):
            table = soundness(judged, NEEDS, HORIZON, NOT_BOUNDED, FORESEEN)
            said[name] = soundness_lines(table, COMMUNITY)[0]
    assert "use the lists as they are" in said["plain"] and "list by a rule" not in said["plain"]
    assert "list by a rule" in said["count"]


def test_an_order_clearly_behind_the_plain_trees_asks_for_a_rule():
    assert used(validation((1.0, 1.0), order=-1)) == {"meals": RULE, "visit": ""}


def test_a_level_at_its_bound_is_an_alarm_though_the_sum_is_right():
    assert used(validation((1.0, 1.0)), np.array([False, True])) == {"meals": "", "visit": RANKING_ONLY}


def test_few_requests_prove_nothing():
    assert used(validation((0.5, 1.0), households=40))["meals"] == ""


def test_what_all_needs_miss_together_is_noticed_before_it_is_sure_in_any():
    assert used(validation((0.5, 1.0), households=500)) == {"meals": "", "visit": ""}
    assert used(validation((0.5, 0.5), households=500)) == {"meals": RANKING_ONLY, "visit": RANKING_ONLY}


def test_the_interval_is_the_exact_one_and_wider_where_windows_overlap():
    low, high = ratio_interval(100, 100, 1)
    assert low == pytest.approx(100 / 138.4, rel=0.02) and high == pytest.approx(100 / 69.9, rel=0.03)
    wide = ratio_interval(100, 100, 2)
    assert wide[0] < low and wide[1] > high
    assert ratio_interval(5, 0, 1)[1] == np.inf


def counted_twice(expected: float, draw: np.random.Generator) -> float:
    """Requests of six as-of days four weeks apart with windows of eight weeks, so many expected in four weeks."""
    blocks = draw.poisson(expected, 7)
    return float(sum(blocks[at] + blocks[at + 1] for at in range(6)))


def test_models_of_steady_towns_are_refused_at_most_once_in_fifty_retrains_and_bad_ones_always():
    draw = np.random.default_rng(0)
    refused, caught, retrains, needs = 0, 0, 400, 12
    for _ in range(retrains):
        expected = np.exp(draw.uniform(np.log(3), np.log(400), needs))
        missed = np.exp(draw.normal(0, 0.2, needs))  # levels are foreseen to a fifth
        ends = [
            ratio_interval(12 * m * e, counted_twice(e, draw), 2)
            for e, m in zip(expected, missed, strict=True)
        ]
        refused += any(low > FAR_HIGH or high < FAR_LOW for low, high in ends)
        _, high = ratio_interval(12 * 20 * 0.22, counted_twice(20, draw), 2)
        caught += high < FAR_LOW
    assert refused <= retrains / 50
    assert caught >= 0.99 * retrains
