"""The coordinator's week: what is to be decided, in which order, and what the tables say."""

from features.contract.settings_file import parse_community
from service.brief.brief import EMPTY, of_grids
from service.brief.decisions import MOST, decisions
from service.brief.words import growing, left_out, month, unvisited

NEEDS = [
    {"id": "meals", "name": {"zh": "老年助餐"}, "severity": 3},
    {"id": "childcare", "name": {"zh": "暑期托管"}, "severity": 1},
]
COMMUNITY = parse_community({"community": {"name": "西山"}, "needs": NEEDS}, "here")
GRID = {"visits": 9, "met": 8, "found": 2, "found_per_100": 22, "last": 3, "promised": 2, "kept": 1}


def project(need: str, seats: int) -> dict:
    return {
        "need": need, "kind": "open", "programme": "", "seats": seats, "low": 5, "high": 40, "fund": "",
        "tell_by": "2025-07-14", "cost": 900, "missing": 400, "wanted": 50,
    }  # fmt: skip


def brief(**more) -> dict:
    return {**EMPTY, **more}


def test_what_was_promised_comes_first_and_no_more_than_five_items_are_shown() -> None:
    left = [{"grid_id": "G1", "name": "王五", "listed": 6, "visited": 4}]
    grids = [{"grid_id": "G1", "households": 100, "never": 80, "unseen": 90.0, **GRID}]
    projects = [project("childcare", 60), project("meals", 23), project("meals", 30)]
    items = decisions(brief(unvisited=left, grids=grids), projects, COMMUNITY, agreed=2, contradictions=1)
    assert len(items) == MOST
    assert [item.leads_to for item in items] == ["lists", "check", "lists", "projects", "projects"]
    assert "老年助餐" in items[3].question and "30 个名额" in items[3].question
    for item in items:
        assert item.question and item.figures and item.otherwise
    assert (
        "王五 2" in items[2].figures and "还缺 400 元" in items[3].figures and "7月14日" in items[3].figures
    )


def test_a_grid_where_nobody_was_visited_is_said_without_a_share() -> None:
    grid = {"grid_id": "G1", "households": 30, "never": 30, "unseen": None, **GRID}
    (item,) = decisions(brief(grids=[grid]), [], COMMUNITY)
    assert item.question == "网格 G1：30 户都还没人去过，要不要走一轮？"
    assert item.figures == "近四周走访 9 户次。"
    assert left_out(brief(grids=[grid])) == ["网格 G1：30 户都还没人去过"]
    (item,) = decisions(brief(grids=[{**grid, "never": 24}]), [], COMMUNITY)
    assert item.question == "网格 G1：30 户里有 24 户从没人去过，要不要走一轮？"
    assert item.figures == "占全网格的 80%；近四周走访 9 户次。"


def test_the_projects_that_would_miss_most_fill_a_quiet_week() -> None:
    projects = [
        project("meals", 20),
        project("childcare", 200),
        project("meals", 10),
        project("childcare", 9),
    ]
    items = decisions(EMPTY, projects, COMMUNITY)
    assert [item.question.split("设 ")[1].split(" 个")[0] for item in items] == ["200", "20", "10", "9"]


def test_a_quiet_week_has_nothing_to_decide() -> None:
    assert decisions(EMPTY, [], COMMUNITY) == [] and left_out(EMPTY) == [] and month(EMPTY) == []


def test_only_needs_that_grew_are_named_the_largest_growth_first() -> None:
    rows = [
        {"need": "meals", "month": 30, "month_before": 20, "month_last_year": 5},
        {"need": "childcare", "month": 40, "month_before": 10, "month_last_year": 50},
        {"need": "gone", "month": 90, "month_before": 1, "month_last_year": 0},
    ]
    assert [row[0] for row in growing(brief(needs=rows), COMMUNITY).rows] == ["暑期托管", "老年助餐"]
    assert not growing(brief(needs=[{**rows[0], "month": 20}]), COMMUNITY).rows


def test_a_worker_who_went_everywhere_is_not_named() -> None:
    rows = [{"grid_id": "G1", "name": "李四", "listed": 6, "visited": 6}]
    assert unvisited(brief(unvisited=rows)).rows == []


def test_targets_stand_beside_what_was_done_and_workers_in_the_order_of_their_names() -> None:
    grids = [{"grid_id": "G1", "households": 100, "never": 8, "unseen": 90.0, **GRID}]
    workers = [{"name": name, **GRID} for name in ("李四", "王五")]
    targets = {"visits_per_worker": 12, "never_visited": 0.1, "promises_kept": 0.9}
    of_grids_table, of_workers = month(brief(grids=grids, workers=workers, targets=targets))
    assert of_grids_table.rows[0][-2:] == ["≤10%，已到", "≥90%，现 50%"]
    assert [row[0] for row in of_workers.rows] == ["李四", "王五"]
    assert of_workers.rows[0][-2:] == ["12，差 3", "≥90%，现 50%"]
    assert "不排名次" in of_workers.note


def test_who_sees_one_grid_gets_nothing_about_the_whole_town() -> None:
    grids = [{"grid_id": name, "households": 10, "never": 5, "unseen": None, **GRID} for name in ("G1", "G2")]
    whole = brief(
        grids=grids, changed=[{"what": "visits"}], workers=[{"name": "李四"}], left_out={"zh": ["老人"]}
    )
    part = of_grids(whole, ["G2"])
    assert [row["grid_id"] for row in part["grids"]] == ["G2"]
    assert part["changed"] == part["workers"] == [] and "老人" not in str(left_out(part))


def test_a_month_without_visits_by_list_says_why_no_worker_is_named() -> None:
    grids = [{"grid_id": "G1", "households": 100, "never": 8, "unseen": 90.0, **GRID}]
    (whole,) = month(brief(grids=grids, changed=[{"what": "visits"}]))
    assert whole.note.startswith("各走访人的数，从按名单走访起才有")
    (part,) = month(
        of_grids(brief(grids=grids, changed=[{"what": "visits"}], workers=[{"name": "李四"}]), ["G1"])
    )
    assert "走访人" not in part.note
