from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from click.testing import CliRunner

from features.language import UserError
from models.registry.text_models import promote_text_model, read_text_model
from models.text.decisions import read_decisions
from models.text.gate import read_trained_on
from service.cli.commands import commands

SETTINGS = """
community: {name: 西山}
needs:
  - {id: childcare, name: {zh: 暑期托管}, keywords: [托管]}
  - {id: repair, name: {zh: 房屋维修}, keywords: [漏水]}
"""
SAID = {
    "暑期托管": ["孩子没人带", "想上托管班", "暑假怎么安排", "小学放假", "接送孩子"],
    "房屋维修": ["水管坏了", "屋顶漏水", "墙皮掉了", "电路跳闸", "马桶堵了"],
}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    place = tmp_path / "w"
    place.mkdir()
    (place / "community.yaml").write_text(SETTINGS, "utf-8")
    rows = [
        {"标题": f"反映{first}", "内容": f"{first}，{second}，请尽快处理 13812345678", "分类": need}
        for need, said in SAID.items()
        for first in said
        for second in said
        if first != second
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "labelled.csv", index=False, encoding="gb18030")
    return place


def run(workspace: Path, *arguments: str) -> str:
    result = CliRunner().invoke(commands, ["--workspace", str(workspace), *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_evaluate_prints_what_was_measured_and_writes_a_report_without_texts(workspace: Path) -> None:
    output = run(workspace, "text", "evaluate", str(workspace.parent / "labelled.csv"))
    assert "macro-F1" in output and len(output.splitlines()) <= 15
    report = workspace / "text" / "evaluation"
    assert (report / "evaluation.png").stat().st_size > 10_000
    assert all("水管" not in path.read_text("utf-8-sig") for path in report.glob("*.csv"))


def test_training_registers_a_model_in_force(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run(workspace, "text", "train", "--labels", str(workspace.parent / "labelled.csv"))
    model = read_text_model(workspace)
    assert model is not None and model.needs == ("childcare", "repair")
    assert len(read_trained_on(workspace)) == 40
    (workspace / "text" / "model.npz").unlink()
    run(workspace, "text", "promote", "1")
    assert read_text_model(workspace) is not None
    with pytest.raises(UserError, match="没有文字分类版本 2，现有：1"):
        promote_text_model(workspace, 2)


def test_what_a_person_decides_in_the_sheet_is_kept(workspace: Path) -> None:
    from features.contract.settings_file import read_community
    from service.texts.review_sheet import write_text_review

    community = read_community(workspace / "community.yaml").community
    path = workspace / "review" / "needs.xlsx"
    frame = pd.DataFrame(
        {"text": ["打13812345678说天冷", "=1+1"], "why": "?", "candidates": [["repair"], []]}
    )
    assert write_text_review(path, frame, community) == 2
    book = openpyxl.load_workbook(path)
    assert "13812345678" not in str([*book.active.values])
    book.active["E2"], book.active["E3"] = "房屋维修；childcare", "无"
    book.save(path)
    run(workspace, "text", "review", "--read", str(path))
    kept = read_decisions(workspace)
    assert sorted(kept["need"].fillna("-")) == ["-", "childcare", "repair"]


def test_the_sheet_asks_about_the_least_certain_first(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = pd.DataFrame(
        {
            "row": [0, 1, 2],
            "need": [None] * 3,
            "probability": [0.3, 0.1, 0.2],
            "abstained": True,
            "why": "?",
            "candidates": [[]] * 3,
        }
    )
    monkeypatch.setattr("service.texts.labelled.open_texts", lambda _: pd.Series(["甲", "乙", "丙"]))
    monkeypatch.setattr("models.text.needs.needs_of", lambda *_: answers)
    run(workspace, "text", "review", "--most", "2", "--output", str(tmp_path / "asked.xlsx"))
    sheet = openpyxl.load_workbook(tmp_path / "asked.xlsx").active
    assert [row[1].value for row in sheet.iter_rows(min_row=2)] == ["乙", "丙"]
