"""Invariants of the week's plan, checked on the plan itself over random towns and settings."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_records import make_community, make_records

from features.records import Known, day_of, known_before
from service.options import NEEDS_PER_VISIT
from service.outreach import COLUMNS, outreach_id, plan

AS_OF = "2025-09-01"
DAY = day_of(pd.Timestamp(AS_OF).date())
NEEDS = (
    {"id": "childcare", "severity": 2, "horizon_weeks": 8},
    {"id": "meals", "severity": 3, "horizon_weeks": 4},
    {"id": "repair", "severity": 1},
    {"id": "legal", "severity": 2},
    {"id": "mediation", "severity": 3, "sensitive": True},
)
CELL = st.integers(0, 10**6)


def scores_of(known: Known, seed: int) -> pd.DataFrame:
    """Random probabilities for every household and need."""
    draw = np.random.default_rng(seed)
    ids, needs = known.records.household_ids, [need.id for need in known.community.needs]
    pairs = [(household, need) for household in ids for need in needs]
    frame = pd.DataFrame(pairs, columns=["household_id", "need"])
    return frame.assign(p_need=draw.beta(0.5, 10, len(frame)).round(3), model_version="7")


@st.composite
def towns(draw: st.DrawFn) -> Known:
    """Known records of a random town: workers or none, opt-outs, contacts, open requests."""
    grids = draw(st.integers(1, 3))
    micro = draw(st.integers(1, 3))
    size = draw(st.integers(1, 60))
    seed = np.random.default_rng(draw(CELL))
    places = [(f"g{number % grids}", f"m{number % micro}") for number in seed.integers(0, 99, size)]
    households = [
        {"household_id": f"h{index:03}", "grid_id": grid, "microgrid_id": f"{grid}-{area}"}
        for index, (grid, area) in enumerate(places)
    ]
    someone = lambda: f"h{seed.integers(size):03}"  # noqa: E731
    requests = [
        {
            "household_id": someone(),
            "need": NEEDS[seed.integers(5)]["id"],
            "requested_at": DAY - seed.uniform(0.1, 600),
            **({"resolved_at": DAY - 0.05} if seed.random() < 0.5 else {}),
        }
        for _ in range(draw(st.integers(0, 40)))
    ]
    contacts = [
        {"household_id": someone(), "need": "meals", "contacted_at": DAY - seed.uniform(0.1, 120)}
        for _ in range(draw(st.integers(0, 20)))
    ]
    refusals = [
        {"household_id": someone(), "from": DAY - 30.0, "until": seed.choice([DAY - 1.0, DAY + 90.0])}
        for _ in range(draw(st.integers(0, 8)))
    ]
    workers = []
    for index in range(draw(st.integers(0, 8))):
        role = str(seed.choice(["grid_worker", "steward", "coordinator"]))
        grid = f"g{seed.integers(grids)}"
        area = f"{grid}-m{seed.integers(micro)}" if role == "steward" else None
        visits = int(seed.integers(0, 9)) if seed.random() < 0.7 else None
        row = {"worker_id": f"w{index}", "role": role, "grid_id": grid, "microgrid_id": area}
        workers.append({**row, "weekly_visits": visits})
    outreach = {
        "visits_per_worker": draw(st.integers(0, 6)),
        "explore_share": draw(st.sampled_from([0.0, 0.1, 0.35, 1.0])),
        "cooldown_weeks": draw(st.sampled_from([0, 2, 6])),
    }
    records = make_records(
        households,
        requests,
        outreach=contacts,
        opt_outs=refusals,
        workers=workers,
        community=make_community(NEEDS, outreach=outreach),
    )
    return known_before(records, DAY)


@settings(max_examples=25, deadline=None)
@given(towns(), CELL)
def test_no_plan_breaks_a_rule(known: Known, seed: int) -> None:
    scores = scores_of(known, seed)
    visits = plan(scores, known).visits
    assert list(visits.columns[: len(COLUMNS)]) == list(COLUMNS)
    assert not visits.duplicated(["household_id", "need"]).any()
    assert visits["outreach_id"].is_unique
    assert (visits.groupby("household_id").size() <= NEEDS_PER_VISIT).all()
    # one visit a household: one worker, one place in the order, one arm
    once = visits.drop_duplicates(["household_id", "worker", "visit_order", "arm"])
    assert once["household_id"].is_unique
    _check_capacity(known, visits)
    _check_left_out(known, visits)
    random = visits[visits["arm"] == "random"]
    assert random["propensity"].between(0, 1, inclusive="right").all()
    assert visits.loc[visits["arm"] == "targeted", "propensity"].isna().all()
    sensitive = visits[visits["need"] == "mediation"]
    assert sensitive["coordinator"].all() and (sensitive["arm"] == "targeted").all()


def _check_capacity(known: Known, visits: pd.DataFrame) -> None:
    usual = known.community.outreach.visits_per_worker
    homes = visits.drop_duplicates("household_id")
    workers = known.records.workers
    if workers.empty:
        assert (homes.groupby(["grid_id", "microgrid_id"]).size() <= usual).all()
        assert (visits["worker_id"] == "").all()
        return
    table = workers.set_index("worker_id")
    capacity = table["weekly_visits"].astype(float).fillna(usual)
    made = homes.groupby("worker_id").size()
    assert (made <= capacity[made.index]).all()
    for row in homes.to_dict("records"):
        worker = table.loc[row["worker_id"]]
        assert worker["grid_id"] == row["grid_id"]
        assert pd.isna(worker["microgrid_id"]) or worker["microgrid_id"] == row["microgrid_id"]
        assert row["coordinator"] == (worker["role"] == "coordinator")


def _check_left_out(known: Known, visits: pd.DataFrame) -> None:
    ids = known.records.household_ids
    listed = set(visits["household_id"])
    refuses = {
        ids[home]
        for home, until in zip(known.opt_outs.household, known.opt_outs.until, strict=True)
        if until > DAY
    }
    assert not listed & refuses
    weeks = known.community.outreach.cooldown_weeks
    rest = {
        ids[home]
        for home, when in zip(known.outreach.household, known.outreach.contacted, strict=True)
        if DAY - when < 7 * weeks
    }
    assert not listed & rest


@settings(max_examples=10, deadline=None)
@given(towns(), CELL)
def test_same_input_gives_the_same_plan(known: Known, seed: int) -> None:
    scores = scores_of(known, seed)
    shuffled = scores.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(plan(scores, known).visits, plan(shuffled, known).visits)


def one_area(homes: int, **outreach: float) -> Known:
    """A town of one micro-grid without workers."""
    settings = {"visits_per_worker": 4, "explore_share": 0.0, **outreach}
    return known_before(
        make_records(
            [{"household_id": f"h{index:02}"} for index in range(homes)],
            community=make_community(NEEDS[:4], outreach=settings),
        ),
        DAY,
    )


def test_severity_times_probability_decides_who_comes_first() -> None:
    known = one_area(3, visits_per_worker=2)
    rows = [("h00", "childcare", 0.30), ("h01", "meals", 0.25), ("h02", "repair", 0.50)]
    scores = pd.DataFrame(rows, columns=["household_id", "need", "p_need"]).assign(model_version="1")
    visits = plan(scores, known).visits
    assert visits["household_id"].tolist() == ["h01", "h00"]  # 0.75 and 0.60; 0.50 is left out
    assert visits["visit_order"].tolist() == [1, 2]
    assert visits["outreach_id"].tolist() == [
        outreach_id(AS_OF, "h01", "meals"),
        outreach_id(AS_OF, "h00", "childcare"),
    ]


def test_an_open_request_is_not_asked_about_again_but_other_needs_are() -> None:
    records = make_records(
        [{"household_id": "h00"}],
        [{"household_id": "h00", "need": "meals", "requested_at": DAY - 20.0}],
        community=make_community(NEEDS[:4], outreach={"explore_share": 0.0}),
    )
    known = known_before(records, DAY)
    assert set(plan(scores_of(known, 1), known).visits["need"]) <= {"childcare", "repair", "legal"}


def test_a_refusal_handed_in_late_still_counts() -> None:
    records = make_records(
        [{"household_id": "h00"}, {"household_id": "h01"}],
        opt_outs=[{"household_id": "h00", "from": DAY + 1.0}],
        community=make_community(NEEDS[:4]),
    )
    known = known_before(records, DAY)
    assert set(plan(scores_of(known, 1), known).visits["household_id"]) == {"h01"}


def test_propensities_are_the_chances_with_which_pairs_are_drawn() -> None:
    homes, visits = 25, 3
    known = one_area(homes, visits_per_worker=visits, explore_share=0.4)
    scores = scores_of(known, 3)
    seeds = 80
    drawn = pd.concat([plan(scores, known, seed).visits.query("arm == 'random'") for seed in range(seeds)])
    # each need of each household: 0.4 of the visits over the households, three of four needs asked
    expected = 0.4 * visits / homes * 3 / 4
    assert drawn["propensity"].to_numpy() == pytest.approx(expected)
    counts = (
        drawn.groupby(["household_id", "need"])
        .size()
        .reindex(
            pd.MultiIndex.from_product([known.records.household_ids, [one["id"] for one in NEEDS[:4]]]),
            fill_value=0,
        )
    )
    assert counts.mean() == pytest.approx(seeds * expected, rel=0.1)
    assert counts.std() == pytest.approx(np.sqrt(seeds * expected), rel=0.35)  # no household is favoured


def test_needs_of_a_visit_beyond_the_first_are_those_likelier_than_usual() -> None:
    known = one_area(2, visits_per_worker=1)
    rows = [
        ("h00", "meals", 0.9),
        ("h00", "repair", 0.2),
        ("h00", "legal", 0.1),
        ("h01", "repair", 0.1),
        ("h01", "legal", 0.3),
    ]
    scores = pd.DataFrame(rows, columns=["household_id", "need", "p_need"]).assign(model_version="1")
    visits = plan(scores, known).visits
    assert visits["need"].tolist() == ["meals", "repair"]


def test_lines_name_workers_without_a_place_and_the_missing_coordinator() -> None:
    records = make_records(
        [{"household_id": "h00"}],
        workers=[
            {"worker_id": "w1", "role": "steward"},
            {"worker_id": "w2", "role": "grid_worker", "grid_id": "g1"},
        ],
        community=make_community(NEEDS),
    )
    known = known_before(records, DAY)
    lines = "\n".join(plan(scores_of(known, 1), known).lines)
    assert "w1" in lines and "coordinator" in lines and "w2" not in lines
