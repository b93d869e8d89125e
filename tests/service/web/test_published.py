"""What a published week holds for the pages: texts in both languages, micro-grids, workers and feedback."""

from pathlib import Path

import pandas as pd
import pytest
from served_town import AS_OF, NEWEST, As, copy_workspace, publish_week, served

from features.ingest.ingest import ingest
from features.point_in_time.records import date_of
from service.web.published.weeks import Shelf, Week
from service.web.rights.deletion import delete_everywhere


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return copy_workspace(tmp_path / "workspace")


def newest(workspace: Path) -> Week:
    shelf = Shelf(workspace)
    shelf.refresh()
    assert shelf.served.newest
    return shelf.served.newest


def test_every_text_of_a_list_is_there_in_the_other_language_too(workspace):
    for row in newest(workspace).visits:
        english = row["translated"]["en"]
        assert english["ask"] == "Needed soon? For whom, and when?"
        if row["arm"] == "random":
            assert english["reason"] == "drawn by lot, whatever the prediction"
        else:
            assert english["reason"] != row["reason"] and english["reason"][:10] in english["why"]
        assert "reason_kinds" not in english
    with served(workspace) as client:
        assert all("translated" not in row for row in As(client, "wang").get("/v1/visits").json()["visits"])


def test_micro_grids_add_up_to_the_scores_and_tiers(workspace):
    week = newest(workspace)
    scores = pd.read_parquet(workspace / "weeks" / NEWEST / "scores.parquet")
    risk = pd.read_parquet(workspace / "weeks" / NEWEST / "risk.parquet")
    assert sum(area["households"] for area in week.areas) == len(week.places)
    for tier, count in risk["tier"].value_counts().items():
        assert sum(area[tier] for area in week.areas) == count
    for need, expected in scores.groupby("need")["p_request"].sum().items():
        assert sum(area["expected"].get(need, 0) for area in week.areas) == pytest.approx(expected, abs=0.01)
    assert len(week.around["workers"]) == 7 and week.around["workers"][0]["visits"] == 3


def test_feedback_comes_in_both_languages_and_leaves_with_a_deleted_household(workspace, tmp_path):

    row = next(one for one in newest(workspace).visits if not one["coordinator"])
    said = {
        "feedback_id": "f1",
        "outreach_id": row["outreach_id"],
        "household_id": row["household_id"],
        "need": row["need"],
        "kind": "wrong_person",
        "recorded_at": f"{date_of(AS_OF - 1)}T10:00:00",
        "note": "搬走了",
    }
    (tmp_path / "in").mkdir()
    pd.DataFrame([said]).to_csv(tmp_path / "in" / "feedback.csv", index=False)
    ingest(tmp_path / "in", workspace, everything=False)
    publish_week(workspace, AS_OF)
    told = newest(workspace).around["feedback"]
    assert [one["kind"] for one in told["zh"]["said"]] == ["人不对"]
    assert [one["kind"] for one in told["en"]["said"]] == ["wrong person"]
    with served(workspace) as client:
        delete_everywhere(workspace, client.app.state.database, row["household_id"], "user:wang")

    assert newest(workspace).around["feedback"]["zh"]["said"] == []
