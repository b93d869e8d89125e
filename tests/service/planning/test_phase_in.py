"""A phase-in by lot: only households at the edge take part, and a lot holds for the whole round."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from served_town import NEWEST, copy_workspace, publish_week
from small_town import AS_OF

from service.weekly.week_directory import all_lots


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose newest week was made with a phase-in."""
    place = copy_workspace(tmp_path_factory.mktemp("phase") / "workspace")
    path = place / "community.yaml"
    settings = yaml.safe_load(path.read_text("utf-8"))
    settings["outreach"] |= {"phase_in": {"weeks": 6, "band": 0.9}, "explore_share": 0.0}
    path.write_text(yaml.safe_dump(settings, allow_unicode=True), "utf-8")
    publish_week(place, AS_OF)
    return place


def test_who_waits_is_not_listed_and_whoever_is_clearly_needier_is(workspace: Path) -> None:
    lots = all_lots(workspace)
    assert len(lots) and 0 < lots["later"].sum() < len(lots)
    assert set(lots["as_of"].astype(str)) == {NEWEST}
    listed = pd.read_parquet(workspace / "weeks" / NEWEST / "outreach.parquet")
    waiting = set(lots.loc[lots["later"], "household_id"])
    plain = set(listed.loc[listed["need"] != "refuge", "household_id"])
    assert not waiting & plain
    assert plain & set(lots.loc[~lots["later"], "household_id"])


def test_the_same_week_draws_the_same_lots(workspace: Path) -> None:
    before = all_lots(workspace)
    publish_week(workspace, AS_OF)
    pd.testing.assert_frame_equal(all_lots(workspace), before)
