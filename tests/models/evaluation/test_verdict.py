"""Whether a model is needed: hits at capacity by hand, verdicts on towns made for them, sentences."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from make_records import make_community, make_records

from features.language import speaking
from features.point_in_time.records import Known, day_of, known_before
from models.evaluation.baselines import GRID_AVERAGE, LOGISTIC, MODEL, REQUEST_COUNT
from models.evaluation.evaluate import Validation, resampled, values_of
from models.evaluation.verdict import FEW, LONGER, hits_at_lengths, verdict_lines, verdicts

AS_OF = day_of(date(2024, 6, 3))
HOUSEHOLDS, MICROGRIDS = 600, 20
MICROGRID = np.arange(HOUSEHOLDS) % MICROGRIDS


@pytest.fixture(scope="module")
def known() -> Known:
    rows = [
        {"household_id": f"H{at:03d}", "microgrid_id": f"M{at % MICROGRIDS:02d}"} for at in range(HOUSEHOLDS)
    ]
    need = {"id": "meals", "name": {"zh": "助餐", "en": "Meals"}}
    community = make_community([need], outreach={"visits_per_worker": 2})  # 40 visits a week for one need
    return known_before(make_records(rows, community=community), AS_OF)


def validation(label: np.ndarray, **scores: np.ndarray) -> Validation:
    """Two as-of days of one need; ``label`` [2, households]; rankers not given know nothing."""
    blind = np.zeros(HOUSEHOLDS)
    rankers = {one: scores.get(one, blind) for one in (MODEL, REQUEST_COUNT, GRID_AVERAGE, LOGISTIC)}
    return Validation(
        np.tile(np.arange(HOUSEHOLDS, dtype=np.int32), 2),
        np.zeros(2 * HOUSEHOLDS, np.int16),
        np.repeat(np.array([AS_OF - 84, AS_OF - 56], np.int32), HOUSEHOLDS),
        np.zeros(2 * HOUSEHOLDS, np.int8),
        label.reshape(-1).astype(np.int8),
        {name: np.tile(score, 2).astype(np.float32) for name, score in rankers.items()},
        ("2024-03-11",),
    )


def asking(chance: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).random((2, HOUSEHOLDS)) < chance


def test_hits_are_those_of_the_evaluation_and_grow_with_the_list() -> None:
    chance = np.random.default_rng(3).random(HOUSEHOLDS) ** 4
    rows = validation(asking(chance), model=chance)
    weights = resampled(HOUSEHOLDS, replicates=20)
    hits = hits_at_lengths(rows, rows.scores[MODEL], 40 * LONGER, weights)
    found = values_of(rows, rows.scores[MODEL], 40, True, weights)
    assert hits[0].value == pytest.approx(40 * found.value["precision_at_capacity"])
    assert hits[0].again == pytest.approx(40 * found.replicates["precision_at_capacity"], rel=0.1)
    assert np.diff([hit.value for hit in hits]).min() >= 0


def test_a_town_judged_by_a_draw_of_its_households_hits_as_many() -> None:
    chance = np.repeat(np.random.default_rng(3).random(HOUSEHOLDS // 2) ** 4, 2)
    asked = np.repeat(asking(chance)[:, ::2], 2, axis=1)  # two of a kind side by side
    town, weights = validation(asked, model=chance), resampled(HOUSEHOLDS, replicates=20)
    drawn = replace(town.take(town.household % 2 == 0), share=0.5)
    hits, of_draw = (
        [length.value for length in hits_at_lengths(rows, rows.scores[MODEL], 40 * LONGER, weights)]
        for rows in (town, drawn)
    )
    assert of_draw == pytest.approx(hits)


def test_a_model_that_knows_more_is_kept_and_its_gain_counted_in_visits(known: Known) -> None:
    chance = np.where(np.arange(HOUSEHOLDS) < 60, 0.6, 0.03)
    rows = validation(asking(chance), model=chance)
    _, row = verdicts(rows, known).to_dict("records")
    assert row["verdict"] == MODEL
    assert row["gain_low"] > 0
    assert row["gain"] == pytest.approx(row["model_hits"] - row["baseline_hits"])
    assert row["more_visits"] > 40
    assert row["one_more_visit"] == pytest.approx(0.6, abs=0.25)  # the next ten households are like the first
    with speaking("en"):
        count, _, line = verdict_lines(verdicts(rows, known), known)
    assert "the model: 1" in count
    assert line.startswith("Meals: the model. In 100 visits it hits")
    assert "One more visit a week brings about" in line


def test_where_only_the_place_matters_whole_micro_grids_are_enough(known: Known) -> None:
    chance = np.where(MICROGRID < 2, 0.5, 0.02)
    noise = np.random.default_rng(4).random(HOUSEHOLDS)
    rows = validation(asking(chance), model=chance + 1e-3 * noise, grid_average=chance)
    _, row = verdicts(rows, known).to_dict("records")
    assert row["verdict"] == GRID_AVERAGE
    assert row["gain_over_grid"] == pytest.approx(0, abs=6)
    with speaking("zh"):
        assert "助餐：按微网格整片走访就够了" in verdict_lines(verdicts(rows, known), known)[2]


def test_a_rule_that_wins_is_said_to_win(known: Known) -> None:
    chance = np.where(np.arange(HOUSEHOLDS) < 60, 0.6, 0.03)
    rows = validation(asking(chance), request_count=chance)
    _, row = verdicts(rows, known).to_dict("records")
    assert row["verdict"] == row["baseline"] == REQUEST_COUNT
    assert row["gain_high"] < 0
    with speaking("zh"):
        line = verdict_lines(verdicts(rows, known), known)[2]
    assert "简单规则就够了（近一年申请次数）" in line
    assert "对照方法更好" in line
    with speaking("en"):
        assert "the baseline is better" in verdict_lines(verdicts(rows, known), known)[2]


def test_all_needs_together_are_judged_by_one_ranker_for_all() -> None:
    needs = [{"id": one, "name": {"zh": one}} for one in ("meals", "care")]
    rows = [
        {"household_id": f"H{at:03d}", "microgrid_id": f"M{at % MICROGRIDS:02d}"} for at in range(HOUSEHOLDS)
    ]
    community = make_community(needs, outreach={"visits_per_worker": 2})
    two = known_before(make_records(rows, community=community), AS_OF)
    chance = np.where(np.arange(HOUSEHOLDS) < 60, 0.6, 0.03)
    one = validation(asking(chance), model=chance)
    both = Validation(
        *(np.concatenate([value, value]) for value in (one.household,)),
        np.concatenate([one.need, one.need + 1]),
        *(np.concatenate([value, value]) for value in (one.as_of, one.fold, one.label)),
        {name: np.concatenate([score, score]) for name, score in one.scores.items()},
        one.folds,
    )
    table = verdicts(both, two).set_index("need")
    assert table.index.tolist() == ["all", "meals", "care"]
    assert table.loc["all", "capacity"] == 2 * table.loc["meals", "capacity"]
    for column in ("model_hits", "gain", "gain_low", "one_more_visit"):
        assert table.loc["all", column] == pytest.approx(table.loc["meals", column])
    assert table.loc["all", "more_visits"] == pytest.approx(2 * table.loc["meals", "more_visits"])


def test_few_requests_allow_no_verdict(known: Known) -> None:
    label = np.zeros((2, HOUSEHOLDS))
    label[0, :5] = 1
    rows = validation(label, model=label[0])
    assert verdicts(rows, known)["verdict"].tolist() == [FEW, FEW]
    with speaking("en"):
        assert verdict_lines(verdicts(rows, known), known)[2] == "Meals: too few requests to say"
    nothing = rows.take(np.zeros(len(rows), dtype=bool))
    assert verdict_lines(verdicts(nothing, known), known) == []
