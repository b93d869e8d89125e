"""The notebooks are kept without outputs, run from beginning to end, and show what they promise."""

from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from nbclient import NotebookClient

from service.cli.commands import commands

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SIZE = (
    *("--households", "200", "--weeks", "60", "--grids", "2", "--microgrids", "6"),
    *("--seed", "7", "--visit-share", "0.02"),
)
FIGURES = {
    "explore_requests": 2,
    "how_good_are_the_scores": 1,
    "whom_do_we_miss": 1,
    "planning_a_programme": 2,
    "one_more_visit": 1,
    "real_panels": 1,
}


def read(path):
    return nbformat.read(path, as_version=4)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A small town that was trained on and whose lists and demand were made, by the commands that a user types."""
    place = tmp_path_factory.mktemp("notebooks")
    town, workspace = str(place / "town"), place / "workspace"
    for words in (["simulate", town, *SIZE], ["ingest", town], ["retrain"], ["outreach"], ["demand"]):
        found = CliRunner().invoke(commands, ["--workspace", str(workspace), *words])
        assert found.exit_code in (0, 3), (found.output, found.exception)
    return workspace


def executed(name, place, monkeypatch, workspace=None):
    """What the cells of a notebook show, one after the other."""
    monkeypatch.setenv("TMPDIR", str(place))  # what a notebook writes goes with the test
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOKS.parent))  # as if it ran in its own directory
    monkeypatch.setenv("XIANYING_LANGUAGE", "zh")
    monkeypatch.setenv("XIANYING_WORKSPACE", str(workspace))
    book = read(NOTEBOOKS / f"{name}.ipynb")
    NotebookClient(book, timeout=1800, resources={"metadata": {"path": str(place)}}).execute()
    shown = [output.get("data", {}) for cell in book.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in one for one in shown) == FIGURES[name]
    return [one["text/html"] for one in shown if "text/html" in one]


def test_every_notebook_is_run_here():
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == set(FIGURES)


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    cells = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert cells
    assert not any(cell.outputs or cell.execution_count for cell in cells)


def test_explore_requests_counts_every_need(workspace, tmp_path, monkeypatch):
    tables = executed("explore_requests", tmp_path, monkeypatch, workspace)
    assert tables[0].count("<tr") == 1 + 12


def test_how_good_are_the_scores_gives_a_reason_for_every_need(workspace, tmp_path, monkeypatch):
    first_of_each_need = executed("how_good_are_the_scores", tmp_path, monkeypatch, workspace)[-1]
    assert "理由" in first_of_each_need
    assert first_of_each_need.count("<tr") == 1 + 12


def test_whom_do_we_miss_shows_shares_of_silent_households(workspace, tmp_path, monkeypatch):
    tables = executed("whom_do_we_miss", tmp_path, monkeypatch, workspace)
    assert "一年没申请过" in tables[0] and "从没申请过" in tables[-1]


def test_planning_a_programme_says_how_many_to_invite(workspace, tmp_path, monkeypatch):
    tables = executed("planning_a_programme", tmp_path, monkeypatch, workspace)
    assert "剩余名额" in tables[-1] and "请多少户可坐满" in tables[-1]


def test_one_more_visit_is_worth_less_than_the_ones_before(workspace, tmp_path, monkeypatch):
    tables = executed("one_more_visit", tmp_path, monkeypatch, workspace)
    assert "再多走一户" in tables[0] and "worth_visits" in tables[-1]


def test_the_real_panels_are_counted_need_by_need(tmp_path, monkeypatch):
    tables = executed("real_panels", tmp_path, monkeypatch)
    assert "婴儿照护" in tables[1] and "随便挑" in tables[-1]
