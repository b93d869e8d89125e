"""What groups get of lists: values as fairlearn's MetricFrame has them, intervals, sentences."""

from dataclasses import replace
from datetime import date
from functools import partial

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame, mean_prediction, selection_rate
from hypothesis import given
from hypothesis import strategies as st
from make_records import make_community, make_records
from sklearn.metrics import precision_score, recall_score

from features.blocks.groups import membership
from features.language import speaking
from features.point_in_time.records import Known, Records, day_of, known_before
from models.evaluation.baselines import MODEL
from models.evaluation.evaluate import Validation, resampled
from models.fairness.audit import WEEK_LIST, audit_requests, audit_visits, listed_pairs
from models.fairness.lines import cannot_be_told, clearly_less, group_lines
from models.fairness.shares import MEASURES, Audited, group_shares, listed_at
from models.monitoring.visits_made import audit_made, visits_made
from models.report.card import group_tables

AS_OF = day_of(date(2024, 6, 3))
HOUSEHOLDS = 400  # the first half came lately


HOUSEHOLD_ROWS = [
    {
        "household_id": f"H{at:03d}",
        "grid_id": f"G{at % 2}",
        "microgrid_id": f"M{at % 4}",
        "valid_from": "2023-09-04" if at < HOUSEHOLDS // 2 else "2020-01-01",
        "ethnicity": "汉族" if at % 10 else "畲族",
    }
    for at in range(HOUSEHOLDS)
]


@pytest.fixture(scope="module")
def records() -> Records:
    groups = [{"id": "new", "name": {"zh": "新居民", "en": "New residents"}, "known_within_weeks": 52}]
    features = {"exclude": ["ethnicity"]}
    return make_records(HOUSEHOLD_ROWS, community=make_community(groups=groups, features=features))


@pytest.fixture(scope="module")
def known(records: Records) -> Known:
    return known_before(records, AS_OF)


def random_rows(seed: int = 0, count: int = 1000) -> Audited:
    draw = np.random.default_rng(seed)
    return Audited(
        household=draw.integers(0, 100, count),
        positive=(draw.random(count) < 0.3).astype(float),
        listed=(draw.random(count) < 0.2).astype(float),
        visits=np.ones(count),
        predicted=draw.random(count),
        weight=draw.integers(1, 4, count).astype(float),
        member=draw.random((count, 3)) < (0.2, 0.5, 0.8),
    )


def test_values_are_those_of_fairlearn() -> None:
    rows = random_rows()
    table = group_shares(rows, ["a", "b", "c"], "test", resampled(100)).set_index("group")
    for at, group in enumerate("abc"):
        frame = MetricFrame(
            metrics={
                "recall": recall_score,
                "precision": precision_score,
                "share": selection_rate,
                "base": mean_prediction,
            },
            y_true=rows.positive,
            y_pred=rows.listed,
            sensitive_features=rows.member[:, at],
            sample_params={
                one: {"sample_weight": rows.weight} for one in ("recall", "precision", "share", "base")
            },
        )
        ours, theirs = table.loc[group], frame.by_group.loc[True]
        assert ours["recall"] == pytest.approx(theirs["recall"])
        assert ours["precision"] == pytest.approx(theirs["precision"])


def test_intervals_hold_the_value_and_the_whole_town_has_everything() -> None:
    table = group_shares(random_rows(), ["a", "b", "c"], "test", resampled(100)).set_index("group")
    for measure in MEASURES:
        assert (table[f"{measure}_low"] <= table[measure] + 1e-9).all()
        assert (table[measure] <= table[f"{measure}_high"] + 1e-9).all()
    assert table.loc["all", ["share_of_list", "share_of_need", "list_over_need"]].tolist() == [1, 1, 1]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3)), min_size=1, max_size=30), st.floats(0, 1))
def test_a_list_takes_its_share_from_the_top(rows: list[tuple[int, int]], share: float) -> None:
    score, weight = np.array(rows, dtype=float).T
    listed = listed_at(score, share, weight)
    assert listed @ weight == pytest.approx(share * weight.sum())
    order = np.argsort(-score, kind="stable")
    assert (np.diff(listed[order]) <= 1e-12).all()


def validation(score: np.ndarray, label: np.ndarray) -> Validation:
    days = 3
    every = np.tile(np.arange(HOUSEHOLDS), days)
    return Validation(
        every.astype(np.int32),
        np.zeros(len(every), np.int16),
        np.repeat([AS_OF - 84, AS_OF - 70, AS_OF - 56], HOUSEHOLDS).astype(np.int32),
        np.zeros(len(every), np.int8),
        label[every].astype(np.int8),
        {MODEL: score[every].astype(np.float32)},
        ("one",),
    )


def test_a_group_that_the_model_passes_over_is_named_in_words(records: Records, known: Known) -> None:
    draw = np.random.default_rng(1)
    label = draw.random(HOUSEHOLDS) < 0.3
    score = 0.2 + 0.3 * label + 0.1 * draw.random(HOUSEHOLDS)
    score[: HOUSEHOLDS // 2] *= 0.3  # newcomers ask as often, and are ranked last
    table = audit_requests(records, known, validation(score, label))
    assert clearly_less(table)["group"].tolist() == ["new"]
    own = table.set_index("group")
    assert own.loc["new", "share_of_list"] == 0
    assert own.loc["new", "households"] == HOUSEHOLDS // 2
    assert own.loc["ethnicity=汉族", "households"] == 0.9 * HOUSEHOLDS
    with speaking("en"):
        lines = group_lines(table, membership(known))
        assert "New residents has" in lines[0] and "clearly less" in lines[0]
        assert any("underestimated" in line and "New residents" in line for line in lines)
        names = [row["name"] for row in group_tables(table, membership(known))[0]["rows"]]
    assert names == ["all", "**New residents**", "ethnicity: 汉族", "ethnicity: 畲族"]


def test_members_are_those_of_the_day_of_the_row(records: Records, known: Known) -> None:
    later = known_before(records, day_of(date(2024, 10, 7)))  # newcomers of a year ago are none any more
    label = np.arange(HOUSEHOLDS) % 3 == 0
    table = audit_requests(records, later, validation(label.astype(float), label)).set_index("group")
    assert table.loc["new", "households"] == HOUSEHOLDS // 2


def test_of_a_draw_of_the_households_as_large_a_share_is_listed(records: Records, known: Known) -> None:
    label = np.arange(HOUSEHOLDS) % 3 == 0
    rows = validation(np.random.default_rng(4).random(HOUSEHOLDS), label)
    drawn = replace(rows.take(rows.household % 2 == 0), share=0.5)
    of_town, of_draw = (audit_requests(records, known, one).set_index("group") for one in (rows, drawn))
    assert 0 < of_draw.loc["all", "recall"] < 1
    assert of_draw.loc["all", "recall"] == pytest.approx(of_town.loc["all", "recall"], abs=0.15)


def test_a_fair_list_is_said_to_be_fair(records: Records, known: Known) -> None:
    label = np.random.default_rng(2).random(HOUSEHOLDS) < 0.3
    table = audit_requests(records, known, validation(0.05 + 0.9 * label, label))
    with speaking("zh"):
        assert group_lines(table, membership(known)) == ["名单和诉求比：没有哪类人家明显排少了"]


def test_random_visits_weigh_by_how_many_they_stand_for(records: Records, known: Known) -> None:
    held_out = pd.DataFrame(
        {
            "household": np.arange(0, HOUSEHOLDS, 2),
            "need": np.arange(0, HOUSEHOLDS, 2) % 4 // 2,
            "as_of": AS_OF - 7 * (np.arange(0, HOUSEHOLDS, 2) % 20),
            "found": 1,
            "p_need": 0.5,
        }
    )
    held_out["weight"] = np.where(held_out["household"] < HOUSEHOLDS // 2, 3.0, 1.0)
    table = audit_visits(records, known, held_out).set_index("group")
    assert table.loc["new", "share_of_need"] == pytest.approx(0.75)
    assert table.loc["all", "predicted_over_observed"] == pytest.approx(0.5)


def test_a_weeks_list_against_expected_need(known: Known) -> None:
    ids = known.household_ids
    scores = pd.DataFrame(
        [(one, need, 0.1) for one in ids for need in ("childcare", "meals")],
        columns=["household_id", "need", "p_need"],
    )
    old = ids[HOUSEHOLDS // 2 :]
    listed = pd.DataFrame(
        [(one, "meals") for one in old[:60]] + [(one, "childcare") for one in old[:30]],
        columns=["household_id", "need"],
    )
    audited = listed_pairs(scores, listed, known)
    assert audited is not None
    draws = resampled(known.household_count)
    table = group_shares(audited, membership(known).ids, WEEK_LIST, draws).set_index("group")
    assert table.loc["new", ["share_of_list", "share_of_need"]].tolist() == pytest.approx([0, 0.5])
    assert table.loc["all", "recall"] == pytest.approx(90 / 800)
    assert listed_pairs(scores, listed.iloc[:0], known) is None


def test_visits_made_against_needs_found_by_lot(records: Records) -> None:
    """Targeted visits go to old households only; random ones find as much among the new."""
    visits = [
        {
            "household_id": f"H{at:03d}",
            "need": need,
            "contacted_at": f"2024-0{1 + at % 5}-15T10:00:00",
            "arm": "random" if at < 300 else "targeted",
            "outcome": "needed" if at % 4 > 1 else "not_needed",
            "propensity": 0.05 if at < 300 else np.nan,
        }
        for at in range(100, HOUSEHOLDS)
        for need in (("childcare", "meals") if at % 3 else ("meals",))
    ]
    visited = make_records(HOUSEHOLD_ROWS, outreach=visits, community=records.community)
    then = known_before(visited, AS_OF)
    made, groups = audit_made([visits_made(then, partial(known_before, visited))])
    table = made.set_index("group")
    assert table.loc["new", "share_of_list"] == 0
    assert table.loc["new", "share_of_need"] == pytest.approx(0.5, abs=0.03)
    assert table.loc["all", "households"] == 300
    assert table["recall"].isna().all()
    with speaking("zh"):
        (line,) = group_lines(made, groups)
    assert line.startswith("近一年的走访和抽签走访发现的需要比：“新居民”占需要的")


def test_without_visits_nothing_is_said_of_them(records: Records, known: Known) -> None:
    assert group_lines(*audit_made([visits_made(known, partial(known_before, records))])) == []


def test_nothing_to_audit(records: Records, known: Known) -> None:
    nothing = np.empty(0, dtype=int)
    none = Validation(nothing, nothing, nothing, nothing, nothing, {MODEL: nothing}, ())
    assert audit_requests(records, known, none).empty
    assert group_lines(audit_requests(records, known, none), membership(known)) == []


def few_listed(members: int, listed: int, visits: int = 64) -> pd.DataFrame:
    """A town of 468 households that ask alike, of which the first ``members`` are a group with ``listed`` visits."""
    homes = 468
    on = np.zeros(homes)
    on[:listed] = 1
    on[members : members + visits - listed] = 1
    rows = Audited(
        household=np.arange(homes),
        positive=np.ones(homes),
        listed=on,
        visits=on,
        predicted=np.full(homes, np.nan),
        weight=np.ones(homes),
        member=(np.arange(homes) < members)[:, None],
    )
    return group_shares(rows, ["few"], "requests", resampled(homes))


def test_a_group_of_seven_households_of_which_none_is_listed_cannot_be_told() -> None:
    table = few_listed(7, 0)
    row = table.set_index("group").loc["few"]
    assert row["expected_visits"] == pytest.approx(64 * 7 / 468)
    assert row["list_over_need"] == 0
    assert row["list_over_need_high"] == pytest.approx(3.689 / (64 * 7 / 468), rel=1e-3)
    assert clearly_less(table).empty
    assert cannot_be_told(table)["group"].tolist() == ["few"]


def test_a_large_group_of_which_none_is_listed_gets_clearly_less() -> None:
    table = few_listed(120, 0)
    assert clearly_less(table)["group"].tolist() == ["few"]
    assert cannot_be_told(table).empty


@pytest.mark.parametrize(("members", "visits"), [(10, 20), (40, 64), (100, 64)])
def test_groups_that_get_their_share_by_lot_are_seldom_accused(members: int, visits: int) -> None:
    draw, accused = np.random.default_rng(3), 0
    for _ in range(100):
        listed = int(draw.hypergeometric(members, 468 - members, visits))
        accused += len(clearly_less(few_listed(members, listed, visits)))
    assert accused <= 5
