"""The page of a county: sums of communities that agreed, without names and small numbers."""

import re
import shutil
from dataclasses import replace
from datetime import date
from html import unescape
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from served_town import NEWEST, copy_workspace

from features.contract.community import Name, Need
from features.language import UserError
from features.workspace_secret import SECRET, workspace_secret
from service.cli.commands import commands
from service.county.figures import CommunityFigures, county_demand, figures_of
from service.county.page import county_page
from service.weekly.week_directory import write_table

NEED = Need(id="meals", name=Name(zh="老年助餐"), horizon_weeks=4)
REFUGE = Need(id="refuge", name=Name(zh="家暴求助"), horizon_weeks=4, sensitive=True)


def community(name: str, *rows: tuple[str, float, float, float]) -> CommunityFigures:
    demand = pd.DataFrame(rows, columns=["need", "expected", "low_80", "high_80"])
    tiers = {"red": 3, "yellow": 20, "green": 100}
    return CommunityFigures(name, date(2026, 6, 1), (NEED, REFUGE), tiers, 42, demand)


def run(*arguments: object) -> None:
    commands.main([str(argument) for argument in arguments], standalone_mode=False)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small community that agreed to give its sums, with a week's lists and demand."""
    place = copy_workspace(tmp_path_factory.mktemp("county") / "east")
    settings = place / "community.yaml"
    content = yaml.safe_load(settings.read_text(encoding="utf-8"))
    settings.write_text(yaml.safe_dump({**content, "sharing": {"figures": True}}, allow_unicode=True))
    run("--workspace", place, "demand", "--as-of", NEWEST)
    return place


def make_another(place: Path) -> None:
    """Make a copied workspace one of its own: its secret, and its households' numbers and risks."""
    (place / SECRET).write_text("ab" * 32)
    for path in (place / "weeks").glob("*/risk.parquet"):
        write_table(pd.read_parquet(path).assign(risk=0.5), path)


def test_two_communities_add_up_and_nobody_is_named(workspace: Path, tmp_path: Path) -> None:
    shutil.copytree(workspace, tmp_path / "west")
    make_another(tmp_path / "west")
    run("county", workspace, tmp_path / "west", "--output", tmp_path / "county.html")
    page = (tmp_path / "county.html").read_text(encoding="utf-8")
    one, other = figures_of([workspace, tmp_path / "west"])
    assert sum(one.households.values()) == sum(other.households.values()) > 0
    assert len(figures_of([workspace, workspace / "weeks" / ".."])) == 1
    assert page.count(one.name) >= 3
    assert "h01" not in page and ">g1<" not in page


@pytest.mark.parametrize("same", ["secret", "risk"])
def test_a_copy_of_a_workspace_is_not_counted_twice(workspace: Path, tmp_path: Path, same: str) -> None:
    shutil.copytree(workspace, tmp_path / "west")
    (tmp_path / "west" / SECRET).unlink(missing_ok=True)
    if same == "secret":
        make_another(tmp_path / "west")
        (tmp_path / "west" / SECRET).write_text(workspace_secret(workspace).hex() + "\n")
    with pytest.raises(UserError, match=r"west.*副本"):
        figures_of([workspace, tmp_path / "west"])
    assert len(figures_of([tmp_path / "west"])) == 1


def test_a_community_that_has_not_agreed_stops_the_page(workspace: Path, tmp_path: Path) -> None:
    shutil.copytree(workspace, tmp_path / "west")
    settings = tmp_path / "west" / "community.yaml"
    content = yaml.safe_load(settings.read_text(encoding="utf-8"))
    settings.write_text(yaml.safe_dump({**content, "sharing": {"figures": False}}, allow_unicode=True))
    with pytest.raises(UserError, match=r"西山社区.*sharing"):
        figures_of([workspace, tmp_path / "west"])


def test_a_community_without_lists_is_named(workspace: Path, tmp_path: Path) -> None:
    shutil.copytree(workspace, tmp_path / "west", ignore=shutil.ignore_patterns("weeks"))
    with pytest.raises(UserError, match="xianying weekly"):
        figures_of([tmp_path / "west"])


def test_small_numbers_and_parts_of_sensitive_needs_are_not_shown() -> None:
    east = community("东区", ("meals", 3.2, 1.0, 6.0), ("refuge", 7.0, 4.0, 11.0))
    west = community("西区", ("meals", 41.0, 30.0, 53.0), ("refuge", 10.0, 5.0, 14.0))
    north = community("北区", ("meals", 70.0, 40.0, 80.0), ("refuge", 8.0, 5.0, 14.0))
    north = replace(north, needs=(NEED, REFUGE.model_copy(update={"sensitive": False})))
    page = county_page("三区", [east, west, north])
    assert "&lt;5" in page and ">3<" not in page
    assert ">114<" in page and ">70<" in page and ">41<" not in page  # or the sum would tell the small one
    assert ">25<" in page and not any(f">{part}<" in page for part in (7, 8, 10))
    assert "家暴求助" not in county_page("两区", [east, west])
    alone = replace(west, demand=west.demand.iloc[:0])
    assert "老年助餐" not in county_page("一区", [alone])


def told(numbers: list[int]) -> list[int | str]:
    """The red households of communities as the page shows them, and their sum."""
    places = [community(f"{place}区", ("meals", 50.0, 40.0, 60.0)) for place in range(len(numbers))]
    places = [
        replace(place, households={**place.households, "red": red})
        for place, red in zip(places, numbers, strict=True)
    ]
    page = county_page("县", places)
    rows = [
        re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
        for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    ]
    cells = [unescape(row[2]).strip() for row in rows if len(row) == 6][: len(numbers) + 1]
    return [int(cell) if cell.isdigit() else cell for cell in cells]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=4))
def test_no_small_number_can_be_told_from_the_sum(numbers) -> None:
    *shown, whole = told(numbers)
    hidden = [place for place, cell in enumerate(shown) if isinstance(cell, str)]
    ranges = [range(1, 5) if shown[place] == "<5" else range(5, 40) for place in hidden]
    left = whole - sum(cell for cell in shown if isinstance(cell, int)) if isinstance(whole, int) else None
    possible = [values for values in product(*ranges) if left in (None, sum(values))]
    for place, values in zip(hidden, zip(*possible, strict=True), strict=True):
        assert len(set(values)) > 1, (shown, whole, place)
    assert all(shown[place] != number for place, number in enumerate(numbers) if 0 < number < 5)


def test_a_sensitive_need_of_one_community_is_no_sum_of_three() -> None:
    places = [
        community(name, ("refuge", count, 0.0, 50.0))
        for name, count in zip("东西北", (40.0, 0.0, 0.2), strict=True)
    ]
    assert "家暴求助" not in county_page("三区", places)


@pytest.mark.parametrize("cell", ["=1+1", "inf", "-3", "nan"])
def test_another_communitys_figures_that_are_none_are_named(
    workspace: Path, tmp_path: Path, cell: str
) -> None:
    shutil.copytree(workspace, tmp_path / "west")
    path = tmp_path / "west" / "weeks" / NEWEST / "demand.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    table["expected"] = cell
    table.to_csv(path, index=False)
    with pytest.raises(UserError, match=r"demand\.csv"):
        figures_of([workspace, tmp_path / "west"])


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e3), st.floats(0, 1e3)), min_size=1, max_size=6))
def test_the_interval_of_a_sum_holds_the_sum_and_is_no_wider_than_all_intervals_together(parts) -> None:
    communities = [
        community(str(place), ("meals", expected, max(expected - below, 0), expected + above))
        for place, (expected, below, above) in enumerate(parts)
    ]
    row = county_demand(communities).iloc[0]
    assert row["expected"] == pytest.approx(sum(expected for expected, *_ in parts))
    assert row["low_80"] <= row["expected"] <= row["high_80"]
    assert row["high_80"] - row["expected"] <= sum(above for *_, above in parts) + 1e-6
