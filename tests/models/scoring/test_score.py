import numpy as np
import pandas as pd
import pytest
from hand_made import GOOD, hand_made_model, make_town
from hypothesis import given
from hypothesis import strategies as st
from make_records import make_community, make_records
from small_town import AS_OF, NEEDS, iso, town_records, town_rows

from features.point_in_time.records import date_of, known_before
from models.dataset.out_of_time import stable_hash
from models.scoring.model import NeedModel
from models.scoring.ranking import ranks
from models.scoring.score import score


@pytest.fixture(scope="module")
def records():
    return make_town()


@pytest.fixture(scope="module")
def model(records) -> NeedModel:
    return hand_made_model(known_before(records, AS_OF), GOOD, trees=True)


def test_every_household_that_can_have_a_need_gets_a_row(records, model):
    scores = score(records, model, AS_OF, 7).scores
    assert list(scores.columns) == [
        "household_id", "need", "as_of", "p_request", "p_need", "rank", "model_version",
    ]  # fmt: skip
    assert not scores.duplicated(["household_id", "need"]).any()
    assert scores["p_request"].between(0, 1).all()
    assert (scores["as_of"] == date_of(AS_OF)).all() and (scores["model_version"] == "7").all()
    everyone = set(records.household_ids)
    assert set(scores.loc[scores["need"] == "meals", "household_id"]) == everyone
    with_children = {f"h{index:02d}" for index in range(60) if index % 3}
    assert set(scores.loc[scores["need"] == "childcare", "household_id"]) == with_children


def test_rank_one_is_the_first_to_visit_for_its_need(records, model):
    scores = score(records, model, AS_OF).scores
    for _, rows in scores.groupby("need"):
        assert sorted(rows["rank"]) == list(range(1, len(rows) + 1))
        ordered = rows.sort_values("rank")["p_need"].to_numpy()
        assert (np.diff(ordered) <= 0).all()


def test_ties_do_not_follow_the_order_of_the_ids():
    ids = np.array([f"h{index:04d}" for index in range(400)], dtype=object)
    order = stable_hash(ids)
    assert len(set(order)) == 400
    assert abs(np.corrcoef(np.argsort(np.argsort(order)), np.arange(400))[0, 1]) < 0.2
    assert (stable_hash(ids[::7]) == order[::7]).all()  # who comes first does not depend on the others


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.1, 0.2, 0.5])), max_size=30))
def test_ranks_count_from_one_within_each_need(rows):
    need = np.array([one for one, _ in rows], dtype=np.int16)
    p = np.array([one for _, one in rows], dtype=np.float64)
    found = ranks(p, need, np.arange(len(rows)))
    for one in set(need):
        assert sorted(found[need == one]) == list(range(1, (need == one).sum() + 1))


def test_later_rows_change_no_score(model):
    rows = town_rows(households=60, requests=1500)
    before = score(town_records(rows), model, AS_OF).scores
    later = [
        {
            "household_id": "h01",
            "need": need["id"],
            "requested_at": iso(AS_OF + 3),
            "recorded_at": iso(AS_OF + 5),
        }
        for need in NEEDS
    ]
    after = score(town_records({**rows, "requests": rows["requests"] + later}), model, AS_OF).scores
    pd.testing.assert_frame_equal(before, after)


def test_risk_has_the_shares_that_the_community_set(records, model):
    community = make_community(NEEDS, outreach={"risk": {"red": 0.1, "yellow": 0.2}})
    risk = score(make_town(community=community), model, AS_OF).risk
    assert len(risk) == 60
    assert risk["tier"].value_counts().to_dict() == {"green": 42, "yellow": 12, "red": 6}
    red, yellow, green = (risk.loc[risk["tier"] == tier, "risk"] for tier in ("red", "yellow", "green"))
    assert red.min() >= yellow.max() >= yellow.min() >= green.max()
    assert risk["risk"].between(0, 1).all()


def test_without_severe_needs_nobody_is_at_risk(records, model):
    mild = make_community([{**need, "severity": 1} for need in NEEDS])
    risk = score(make_town(community=mild), model, AS_OF).risk
    assert (risk["risk"] == 0).all() and (risk["tier"] == "green").all()


def test_a_household_with_one_row_and_no_requests_is_scored(model):
    records = make_records(
        [{"household_id": "only", "children": 1, "income": "low"}], community=make_community(NEEDS)
    )
    scored = score(records, model, AS_OF)
    assert set(scored.scores["need"]) == {need["id"] for need in NEEDS}
    assert np.isfinite(scored.scores["p_request"]).all() and len(scored.risk) == 1


def test_a_saved_model_gives_the_same_scores(records, model, tmp_path):
    model.save(tmp_path / "bundle")
    again = NeedModel.load(tmp_path / "bundle")
    assert again.feature_names == model.feature_names and again.metadata == model.metadata
    pd.testing.assert_frame_equal(score(records, model, AS_OF).scores, score(records, again, AS_OF).scores)


def test_contributions_add_up_to_the_differences_between_log_odds(records, model):
    features = score(records, model, AS_OF).features
    rows = np.flatnonzero(features.rows.need == 1)[:20]
    total = model.contributions(features, rows).sum(axis=1)
    odds = model.log_odds(features)[rows]
    assert total - total[0] == pytest.approx(odds - odds[0], abs=1e-4)
