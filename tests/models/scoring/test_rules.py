"""A need that the office has ranked by a rule: who asked most comes first, on lists too, and lists say so."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hand_made import BAD, hand_made_model, make_town
from make_records import make_community
from small_town import AS_OF, NEEDS

from features.contract.community import Community
from features.point_in_time.records import known_before
from models.scoring.score import score
from service.lists.reasons import reasons_in
from service.planning.eligibility import eligible_pairs, left_out
from service.planning.planner import plan

RULED = [{**need, "ranking": "request_count"} if need["id"] == "meals" else dict(need) for need in NEEDS]


@pytest.fixture(scope="module")
def known():
    return known_before(make_town(community=_community()), AS_OF)


@pytest.fixture(scope="module")
def scored():
    records = make_town(community=_community())
    return score(records, hand_made_model(known_before(records, AS_OF), BAD), AS_OF, 1)


def _community() -> Community:
    return make_community(RULED, outreach={"visits_per_worker": 1, "explore_share": 0.0})


def test_the_rule_ranks_its_need_and_leaves_the_others_to_the_model(scored, known):
    scores, needs = scored.scores, known.community.need_index()
    year = (known.requests.requested >= AS_OF - 364) & (known.requests.need == needs["meals"])
    asked = Counter(known.household_ids[known.requests.household[year]])
    meals = scores[scores["need"] == "meals"].sort_values("rank")
    counts = [asked[home] for home in meals["household_id"]]
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1]
    others = scores[scores["need"] == "childcare"].sort_values("rank")
    assert (np.diff(others["p_need"]) <= 0).all()
    assert meals["p_need"].between(0, 1).all()  # still the model's probability
    assert meals["p_need"].iloc[0] < meals["p_need"].max()  # this model thinks the contrary


def test_visits_follow_the_rule_within_each_grid(scored, known):
    out = left_out(known, np.zeros((known.household_count, len(known.community.needs)), dtype=bool))
    pairs = eligible_pairs(scored.scores, known, out)
    rank = scored.scores.set_index(["household_id", "need"])["rank"]
    meals = pairs[pairs["need"] == known.community.need_index()["meals"]]
    ranks = np.array([rank[known.household_ids[home], "meals"] for home in meals["household"]])
    for grid in range(len(known.grid_ids)):
        here = known.grid[meals["household"]] == grid
        assert (np.diff(meals["value"].to_numpy()[here][np.argsort(ranks[here])]) <= 0).all()


def test_the_list_says_by_which_rule_it_is_ordered(scored, known):
    from models.registry.champion import Champion

    model = Champion(hand_made_model(known, BAD), 1, Path("nowhere"))
    visits = reasons_in(("zh",), plan(scored.scores, known).visits, known, model)["zh"]
    targeted = visits[visits["arm"] == "targeted"]
    meals = targeted[targeted["need"] == "meals"]
    assert len(meals) and meals["reason"].str.startswith("按“近一年申请次数”排先后").all()
    assert not targeted.loc[targeted["need"] != "meals", "reason"].str.contains("排先后").any()
