"""The notebooks are kept without outputs, run from beginning to end, and show what they promise."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def read(path):
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    cells = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert cells
    assert not any(cell.outputs or cell.execution_count for cell in cells)


def test_requests_and_models_shows_figures_and_a_reason_for_every_need(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # the notebook's own workspace goes with the test
    monkeypatch.setenv("XIANYING_LANGUAGE", "zh")
    book = read(NOTEBOOKS / "requests_and_models.ipynb")
    NotebookClient(book, timeout=1800, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output.get("data", {}) for cell in book.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in one for one in shown) == 3
    first_of_each_need = shown[-1]["text/html"]
    assert "理由" in first_of_each_need
    assert first_of_each_need.count("<tr") == 1 + 12
