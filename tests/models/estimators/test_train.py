from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from make_records import make_community, make_records
from small_town import AS_OF, NEEDS, iso, town_rows

from features.point_in_time.records import day_of, known_before
from models.evaluation.baselines import ELIGIBILITY, MODEL
from models.evaluation.compare import gate
from models.evaluation.evaluate import Evaluation
from models.report.figures import draw_validation
from models.scoring.score import score
from models.training import validate
from models.training.retrain import Retrained, retrain
from models.training.retraining import Retraining
from models.training.validation_report import champion_probabilities, compare_with_champion

UNASKED = {"id": "piano", "name": {"zh": "钢琴"}, "horizon_weeks": 8}


@pytest.fixture(scope="module")
def rows():
    return town_rows(households=150, requests=4000)


@pytest.fixture(scope="module")
def community():
    return make_community([*NEEDS, UNASKED])


@pytest.fixture(scope="module")
def records(rows, community):
    return make_records(**rows, community=community)


@pytest.fixture(scope="module")
def retrained(records) -> Retrained:
    return retrain(records, AS_OF, how=Retraining(threads=1))


def overall(found: Retrained, ranker: str, metric: str) -> float:
    table = found.metrics.query("need == 'all' and ranker == @ranker and metric == @metric")
    return float(table["value"].iloc[-1])


def test_the_model_finds_more_than_the_eligibility_rule(retrained):
    for metric in ("average_precision", "precision_at_capacity"):
        assert overall(retrained, MODEL, metric) > 1.2 * overall(retrained, ELIGIBILITY, metric)


def test_probabilities_sum_to_about_what_was_observed(retrained):
    assert 0.8 < overall(retrained, MODEL, "predicted_over_observed") < 1.25


def test_a_need_that_nobody_asked_for_is_skipped_with_a_line_and_scored(retrained, records):
    assert any("钢琴" in line and "跳过训练" in line for line in retrained.notes)
    assert "piano" not in set(retrained.metrics["need"])
    scores = score(records, retrained.model, AS_OF).scores
    piano = scores.loc[scores["need"] == "piano", "p_request"]
    assert len(piano) == 150 and piano.max() == piano.min() and 0 < piano.iloc[0] < 0.05


def test_the_notes_say_what_was_chosen_for_each_need(retrained):
    assert sum("单独训练的树" in line for line in retrained.notes) == len(NEEDS)


def test_the_notes_say_whether_a_model_is_needed_and_which_groups_get_less(retrained):
    assert set(retrained.verdicts["need"]) == {"all", *(need["id"] for need in NEEDS)}
    assert {"all", "grid=g0", "grid=g1"} == set(retrained.groups["group"])
    assert sum("到底要不要模型" in line for line in retrained.notes) == 1
    assert any("名单和诉求比" in line or "只占名单" in line for line in retrained.notes)


@pytest.fixture(scope="module")
def drawn(records) -> Retrained:
    """Of a town too large to validate every household."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validate, "MOST_VALIDATED", 100)
        return retrain(records, AS_OF, how=Retraining(threads=1, draw=draw_validation))


def test_figures_drawn_beside_are_those_of_the_report(drawn, records):
    found = Evaluation(drawn.metrics, drawn.reliability, drawn.lift)
    known = known_before(records, AS_OF)
    figures = draw_validation(known, drawn.model.schema, found, drawn.importance, drawn.demand, [])
    assert drawn.figures == figures
    assert {"overview.png", "demand.png", "needs/meals/report.png"} < set(figures)


def test_of_a_large_town_a_draw_of_households_is_validated_and_all_are_trained_on(drawn, retrained):
    assert len(np.unique(drawn.validation.household)) == 100
    assert drawn.parameters == retrained.parameters
    assert any("抽出的 67%" in line for line in drawn.notes)
    assert not any("抽出的" in line for line in retrained.notes)
    mine = np.isin(retrained.validation.household, drawn.validation.household)
    own = drawn.validation.scores["request_count"]
    np.testing.assert_array_equal(own, retrained.validation.scores["request_count"][mine])


def test_a_draw_of_households_calibrates_as_all_do(drawn, retrained, records):
    assert 0.8 < overall(drawn, MODEL, "predicted_over_observed") < 1.25
    ours, theirs = (score(records, one.model, AS_OF).scores["p_request"] for one in (drawn, retrained))
    assert len(ours) == len(theirs)
    assert ours.sum() == pytest.approx(theirs.sum(), rel=0.1)


def test_the_same_households_are_drawn_when_others_come(records, monkeypatch):
    monkeypatch.setattr(validate, "MOST_VALIDATED", 40)
    ids = records.household_ids
    before = ids[:100][validate.validated_households(replace(records, household_ids=ids[:100]))]
    after = ids[validate.validated_households(records)]
    assert len(before) == len(after) == 40
    assert set(after) & set(ids[:100]) <= set(before)


def test_later_rows_change_nothing_and_the_same_data_make_no_better_or_worse_challenger(
    retrained, records, rows, community
):
    later = [
        {
            "household_id": name,
            "need": "meals",
            "requested_at": iso(AS_OF - 20),
            "recorded_at": iso(AS_OF + 2),
        }
        for name in ("h003", "h03")  # one of them is not known yet
    ]
    more = make_records(**{**rows, "requests": [*rows["requests"], *later]}, community=community)
    again = retrain(more, AS_OF, retrained.model, Retraining(threads=1))
    assert again.fingerprint == retrained.fingerprint
    values = [one.metrics[["need", "ranker", "fold", "metric", "value"]] for one in (again, retrained)]
    pd.testing.assert_frame_equal(*values)
    first, second = (score(records, one.model, AS_OF).scores for one in (retrained, again))
    pd.testing.assert_frame_equal(first, second)
    assert again.comparison is not None and len(again.comparison)
    assert again.comparison["difference"].abs().max() < 1e-6  # not compared on what the champion had learnt
    assert gate(again.comparison).allowed


def test_what_a_champion_was_trained_on_stays_so_when_recording_slows_down(retrained, rows, community):
    late = [
        {
            "household_id": f"h{at:02d}",
            "need": "meals",
            "requested_at": iso(AS_OF + 1 + day),
            "recorded_at": iso(AS_OF + 120),
        }
        for at in range(60)
        for day in range(8)
    ]
    slow = make_records(**{**rows, "requests": [*rows["requests"], *late]}, community=community)
    champion = replace(retrained.model, out_of_time=None)
    seen, still_seen = (
        np.isnan(champion_probabilities(slow, champion, retrained.validation)) for day in (AS_OF, AS_OF + 130)
    )
    assert seen.any()
    np.testing.assert_array_equal(seen, still_seen)


def test_a_champion_whose_scores_are_worthless_is_beaten_and_cannot_come_back(retrained, records):
    old = retrained.model.out_of_time
    worthless = replace(old, p=np.random.default_rng(0).permutation(old.p))
    champion = replace(retrained.model, out_of_time=worthless)
    known = known_before(records, AS_OF)
    comparison = compare_with_champion(records, known, champion, retrained.validation)
    better = comparison[comparison["metric"] == "average_precision"]
    assert (better["low"] > 0).all()
    turned = comparison.assign(
        champion=comparison["challenger"],
        challenger=comparison["champion"],
        difference=-comparison["difference"],
        low=-comparison["high"],
        high=-comparison["low"],
    )
    decision = gate(turned, {"meals": "老年助餐"})
    assert not decision.allowed
    assert any("老年助餐" in reason for reason in decision.reasons)


@pytest.mark.parametrize("requests", [0, 5])
def test_a_dozen_households_are_scored_by_their_rates_with_a_line(requests, community):
    rows = town_rows(households=12, requests=requests)
    records = make_records(**rows, community=community)
    found = retrain(records, AS_OF, how=Retraining(threads=1))
    assert found.metrics.empty and len(found.notes) >= 1
    scores = score(records, found.model, AS_OF).scores
    assert scores["p_request"].between(0, 1, inclusive="neither").all()


def test_a_few_weeks_of_history_are_too_short_and_say_so(community):
    start = day_of(pd.Timestamp("2024-08-05").date())
    households = [{"household_id": f"h{one}", "children": 1, "valid_from": start - 1} for one in range(40)]
    requests = [
        {
            "household_id": f"h{one}",
            "need": "meals",
            "requested_at": start + one / 3,
            "recorded_at": start + one / 3,
        }
        for one in range(40)
    ]
    found = retrain(make_records(households, requests, community=community), AS_OF, how=Retraining(threads=1))
    assert found.worst[0] == "历史太短，训练不出模型：诉求不到 50 条，分不出先后，名单先轮流走访"


def test_records_that_begin_with_the_export_are_named_as_the_cause_before_what_follows(community):
    start = day_of(pd.Timestamp("2022-08-01").date())
    homes = [{"household_id": f"h{one}", "children": 1, "valid_from": AS_OF - 7} for one in range(40)]
    asked = [
        {
            "household_id": f"h{one}",
            "need": "meals",
            "requested_at": start + 18.0 * one,
            "recorded_at": start + 18.0 * one,
        }
        for one in range(40)
    ]
    found = retrain(make_records(homes, asked, community=community), AS_OF, how=Retraining(threads=1))
    assert [found.worst[0].split("：")[0][-5:], found.worst[1].split("：")[0]] == [
        "起才有记录",
        "记录有缺（见上），训练不出模型",
    ]
