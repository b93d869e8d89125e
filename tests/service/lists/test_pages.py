"""The printable pages say what a worker and a coordinator need, and nothing they must not."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from demand_of_town import demand_ahead
from make_records import records_of
from week_lists import AS_OF, change, fill, make_known, make_visits

from features.language import set_language
from features.point_in_time.records import Known
from models.demand.expected import own_windows
from models.demand.programmes import against_seats
from models.demand.seats import all_seats_left
from models.monitoring.reason_quality import returned
from service.lists.feedback_week import feedback_week
from service.lists.needs_tables import range_words
from service.lists.pages import grid_page, overview_page
from service.lists.visit_rows import script
from service.weekly.list_files import file_names, list_files, remove_others, write_lists

FETCHING = {"script from elsewhere", "link", "img", "iframe", "object", "embed"}


class Tags(HTMLParser):
    """Tags of a page, and whether each that opens also closes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.found.append("script from elsewhere" if tag == "script" and attrs else tag)
        if tag not in ("meta", "br", "col", "rect", "line"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.found.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    assert not tags.open
    assert not FETCHING & set(tags.found), "a page must not load anything"
    assert tags.found.count("script") <= 1, "the page's own, which sorts and saves tables"
    return tags


def scores_of(known: Known) -> pd.DataFrame:
    pairs = [(home, need.id) for home in known.household_ids for need in known.community.needs]
    scores = pd.DataFrame(pairs, columns=["household_id", "need"])
    return scores.assign(p_request=0.25, p_need=0.25, model_version="3")


def risk_of(known: Known) -> pd.DataFrame:
    homes = known.household_ids
    return pd.DataFrame({"household_id": homes, "risk": 0.1, "tier": ["red"] + ["green"] * (len(homes) - 1)})


@pytest.fixture
def files() -> dict[str, bytes]:
    known = make_known()
    visits = make_visits(known)
    feedback = feedback_week(known, visits, returned(records_of(known)))
    names = file_names(sorted(visits.loc[~visits["coordinator"], "grid_id"].unique()))
    files, links = list_files(visits, names, known.community, AS_OF, ["一句说明"], feedback)
    demand = own_windows(demand_ahead(scores_of(known), known))
    seats = against_seats(demand, known.community, known.as_of, all_seats_left(known))
    tiers = pd.DataFrame({"grid_id": known.grid_ids[known.grid], "tier": risk_of(known)["tier"]})
    told = ["一条说明"]
    page = overview_page(known.community, visits, tiers, demand, seats, links, told, AS_OF, feedback)
    return {**files, "overview.html": page.encode()}


def write(directory: Path, files: dict[str, bytes]) -> list[str]:
    """Write a week's files as the lists are written: others go first."""
    return [*remove_others(directory, set(files)), *write_lists(directory, files)]


def test_a_page_shows_every_household_its_needs_and_the_script() -> None:
    known = make_known()
    visits = make_visits(known)
    page = grid_page("西山社区 · 网格 g1", script(known.community), visits, AS_OF)
    assert parsed(page).found.count("article") == visits["household_id"].nunique()
    for row in visits.to_dict("records"):
        assert row["household_id"] in page and row["need_name"] in page and row["contact"] in page
    assert "不再联系" in page and "老人75岁" in page and "抽签走访" in page


def test_texts_of_the_data_cannot_become_markup() -> None:
    known = make_known()
    visits = make_visits(known).assign(contact="<b>1</b>", paper="</td><script>x")
    page = grid_page("a", "b", visits, AS_OF)
    parsed(page)
    assert "&lt;/td&gt;&lt;script&gt;x" in page


def test_sensitive_needs_stand_on_the_coordinators_files_only(files: dict[str, bytes]) -> None:
    assert set(files) == {
        "grid-g1.xlsx",
        "grid-g1.html",
        "coordinators.xlsx",
        "coordinators.html",
        "overview.html",
    }
    assert "矛盾调解" not in files["grid-g1.html"].decode()
    assert "矛盾调解" in files["coordinators.html"].decode()


def test_the_overview_holds_visits_tiers_demand_and_seats(files: dict[str, bytes]) -> None:
    page = files["overview.html"].decode()
    tags = parsed(page)
    assert tags.found.count("svg") == 1
    links = re.findall(r'href="([^"]+)"', page)
    assert set(links) == set(files) - {"overview.html"}
    assert "一条说明" in page and "这段时间没有项目" in page
    assert ">3 (" in page or ">3</td>" in page  # twelve households at a quarter


def test_pages_are_in_the_chosen_language() -> None:
    set_language("en")
    known = make_known()
    page = grid_page("a", script(known.community), make_visits(known), AS_OF)
    assert "Hello, I work for" in page and "Meals" in page and "why" in page and "为什么" not in page


def test_demand_against_seats() -> None:
    known = make_known()
    seats = against_seats(
        own_windows(demand_ahead(scores_of(known), known)),
        known.community,
        known.as_of,
        all_seats_left(known),
    )
    table = seats.set_index("need")
    assert table["expected"].tolist() == pytest.approx([3, 3, 3])
    assert table.loc["meals", "seats"] == 40 and table.loc["meals", "short"] == pytest.approx(-37)
    assert table["seats"].isna().tolist() == [True, False, True]  # childcare's programme is over
    assert (table["low_90"] <= table["low_80"]).all() and (table["high_80"] <= table["high_90"]).all()
    assert (table["high_90"] <= table["households"]).all()


def test_file_names_are_safe_and_different() -> None:
    names = file_names(["一/二", "一\\二", "a b", "A_B", "..", ""])
    assert len({one.lower() for one in names.values()}) == 6
    assert not any(re.search(r'[<>:"/\\|?*\s]', one) for one in names.values())


def test_a_filled_in_workbook_is_never_overwritten(tmp_path: Path, files: dict[str, bytes]) -> None:
    assert write(tmp_path, files) == []
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert write(tmp_path, files) == []
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    change(tmp_path / "grid-g1.xlsx", lambda sheet: fill(sheet, ["需要"]))
    (line,) = write(tmp_path, files)
    assert "filled-1-grid-g1.xlsx" in line
    assert (tmp_path / "filled-1-grid-g1.xlsx").is_file()
    assert (tmp_path / "grid-g1.xlsx").read_bytes() == files["grid-g1.xlsx"]
    (tmp_path / "grid-g1.xlsx").write_bytes(b"PK half of it")  # nobody can tell whether it was filled in
    (line,) = write(tmp_path, files)
    assert (tmp_path / "filled-2-grid-g1.xlsx").read_bytes() == b"PK half of it" and "filled-2" in line
    gone = {name: content for name, content in files.items() if not name.startswith("coordinators")}
    write(tmp_path, gone)
    assert not (tmp_path / "coordinators.html").exists()


def test_a_range_says_where_the_number_of_a_need_is_uncertain() -> None:
    def words(expected: float, low: float, high: float) -> str:
        return range_words({"expected": expected, "low_90": low, "high_90": high})

    assert words(84, 61, 111) == "61–111，说不准" and words(84, 66, 104) == "66–104"
    assert words(6, 2, 10) == "2–10"  # by chance alone
