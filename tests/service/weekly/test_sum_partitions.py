"""Demand and the look back of a town in several partitions are those of the town in one."""

import os
from collections import Counter
from contextlib import nullcontext
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from demand_of_town import demand_ahead
from hand_made import GOOD, hand_made_model

from features.ingest.ingest import ingest
from features.point_in_time.records import Records, day_of, known_before
from features.simulation.simulate import simulate
from features.store.layout import lay_out
from features.store.partitions import InMemory, OnDisk
from features.store.reader import read_programme_history, read_records
from models.demand.candidates import AskPartition, town_demand
from models.demand.proposals import RUN
from models.evaluation.evaluate import resampled, resampled_of
from models.monitoring.visits_made import audit_made, visits_made
from models.registry.champion import install_copy
from models.registry.registry import champion
from models.registry.tracking import registry_address
from models.scoring.executors import local
from service.weekly.demand_week import demand_week
from service.weekly.list_week import list_week
from service.weekly.monitor_week import look_at_town, monitor_week
from service.weekly.score_cache import current_scores
from service.weekly.week_directory import read_table, week_directory

DAY, BEFORE = date(2025, 7, 7), date(2025, 2, 3)


def stage(_: str) -> nullcontext:
    return nullcontext()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A town with lists and demand of a past week, outcomes of these lists, and feedback."""
    place = tmp_path_factory.mktemp("monday")
    size = {"households": 400, "weeks": 104, "grids": 5, "microgrids": 20}
    simulate(place / "town", **size, end=DAY, visit_share=0.05)
    settings = place / "town" / "community.yaml"
    said = yaml.safe_load(settings.read_text("utf-8"))
    said["projects"] = {"smallest": 1}
    settings.write_text(yaml.safe_dump(said, allow_unicode=True), "utf-8")
    workspace = place / "workspace"
    ingest(place / "town", workspace)
    records = read_records(workspace)
    (workspace / "champion").mkdir()
    made = workspace / "champion" / "made"
    hand_made_model(known_before(records, day_of(DAY)), GOOD, trees=True).save(made)
    install_copy(workspace, registry_address(workspace), 1, made)
    list_week(workspace, InMemory(records), BEFORE, week_directory(workspace, BEFORE), stage)
    demand_week(workspace, InMemory(records), BEFORE, stage)
    come_back(workspace, place / "back")
    return workspace


def come_back(workspace: Path, place: Path) -> None:
    listed = read_table(week_directory(workspace, BEFORE) / "listed.parquet")
    place.mkdir()
    pairs = listed[["outreach_id", "household_id", "need", "arm", "propensity"]]
    outcomes = ["needed", "not_needed", "declined"]
    visits = pairs.assign(contacted_at="2025-02-05T10:00:00", outcome=np.resize(outcomes, len(pairs)))
    visits.to_csv(place / "outreach.csv", index=False)
    said = listed[["outreach_id", "household_id", "need"]].assign(
        feedback_id=listed["outreach_id"],
        recorded_at="2025-07-02T10:00:00",
        kind=np.resize(["reason_wrong", "satisfied", "do_not_contact", "reason_wrong"], len(listed)),
        reason_kind=listed["reason_kinds"],
        satisfaction=np.resize([1, 5, 3], len(listed)),
        next_visit="2025-07-09",
    )
    said.iloc[::2].to_csv(place / "feedback.csv", index=False)
    ingest(place, workspace, everything=False)


@pytest.fixture(scope="module")
def records(workspace: Path) -> Records:
    return read_records(workspace)


@pytest.fixture
def parts(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> OnDisk:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)  # no further processes
    return lay_out(workspace, str(workspace / "parts"), households=120)


@pytest.mark.parametrize("day", [DAY, BEFORE, date(2023, 7, 20)])
def test_every_household_lives_in_one_part(parts: OnDisk, records: Records, day: date) -> None:
    """Those not known yet too, and those that move."""
    towns = [parts.own(number, day_of(day)) for number in range(len(parts))]
    assert sorted(np.concatenate([one.household_ids for one in towns])) == sorted(records.household_ids)
    stands = Counter(home for number in range(len(parts)) for home in parts.read([number]).household_ids)
    assert max(stands.values()) > 1
    for table in ("households", "residents", "requests", "outreach", "feedback"):
        assert sum(len(getattr(one, table)) for one in towns) == len(getattr(records, table)) > 0


def test_demand_of_partitions_is_the_towns(workspace: Path, parts: OnDisk, records: Records) -> None:
    history = read_programme_history(workspace, day_of(DAY))
    tables = []
    for town in (parts, InMemory(records)):
        scores = current_scores(workspace, town, DAY, champion(workspace, records.community), stage)
        tables.append(town_demand(AskPartition(town, day_of(DAY), history), scores.pieces, None, local))
    (demand, proposals, named), (whole, proposed, named_in_one) = tables
    pd.testing.assert_frame_equal(demand, whole)
    known = known_before(records, day_of(DAY))
    pd.testing.assert_frame_equal(demand, demand_ahead(scores.scores(0), known))
    for name in ("needs", "projects", "programmes", "funds"):
        pd.testing.assert_frame_equal(getattr(proposals, name), getattr(proposed, name))
    assert (proposed.projects["kind"] != RUN).any() and (named["last_asked"] != "").any()
    pd.testing.assert_frame_equal(named, named_in_one, check_dtype=False)


def test_the_look_back_says_the_same(workspace: Path, parts: OnDisk, records: Records) -> None:
    whole = monitor_week(workspace, InMemory(records), DAY, stage)
    assert monitor_week(workspace, parts, DAY, stage) == whole
    text = "\n".join(whole)
    for words in (
        "近四周",
        "抽签走访",
        "近一年的走访",
        "核对前几周（1 周）",
        "前几周的需求测算",
        "说不对",
        "约好再去",
    ):
        assert words in text


def test_groups_of_the_visits_made_are_those_of_the_town(parts: OnDisk, records: Records) -> None:
    as_of = day_of(DAY)
    known = known_before(records, as_of)
    whole, groups = audit_made([visits_made(known, partial(known_before, records))])
    by_part, same = audit_made([one.visits for one in look_at_town(parts, as_of, [])])
    assert same.ids == groups.ids and any(one.startswith("ethnicity=") for one in same.ids)
    pd.testing.assert_frame_equal(by_part, whole)
    assert len(look_at_town(InMemory(records), as_of, [])[0].visits) > 200


def test_draws_of_some_households_are_those_of_all() -> None:
    some = np.array([0, 7, 99])
    assert (resampled_of(100, some, 30, seed=4) == resampled(100, 30, seed=4)[some]).all()
