"""A phase-in by lot: only households at the edge take part, and a lot holds for the whole round."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from make_records import make_community, make_records
from served_town import NEWEST, copy_workspace, publish_week
from small_town import AS_OF

from features.point_in_time.records import known_before
from service.planning.planner import COLUMNS, plan
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


def test_neither_who_waits_for_a_visit_nor_a_sensitive_need_is_put_off_by_lot() -> None:
    needs = [
        {"id": "meals", "name": {"zh": "老年助餐"}},
        {"id": "refuge", "name": {"zh": "求助"}, "sensitive": True},
    ]
    settings = {"visits_per_worker": 6, "explore_share": 0.0, "phase_in": {"band": 1.0, "later": 0.6}}
    homes = [f"h{number:02}" for number in range(40)]
    records = make_records(
        [{"household_id": home} for home in homes], community=make_community(needs, outreach=settings)
    )
    scores = pd.DataFrame({"household_id": homes, "need": "meals", "model_version": "1"})
    scores = scores.assign(p_need=[0.5 - 0.01 * number for number in range(40)])
    scores.loc[[0, 20], "need"] = "refuge"
    weeks, before = [], None
    for later in (0, 7):
        made = plan(scores, known_before(records, AS_OF + later), before=before)
        weeks.append(made)
        before = made.visits[list(COLUMNS)]
    first, second = ({*week.lots["household_id"]} for week in weeks)
    assert first and second and not (first | second) & {"h00", "h20"}
    assert weeks[0].lots["later"].any() and {*weeks[0].visits["need"]} == {"meals", "refuge"}
    assert not second & {*weeks[0].visits["household_id"]}
