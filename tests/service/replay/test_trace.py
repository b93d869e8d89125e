"""From a row of a list back to its model and data, and on to what came of it."""

from pathlib import Path

import pandas as pd
import pytest
from served_town import NEWEST, As, copy_workspace, served

from service.cli.commands import commands
from service.console.terminal import run


def trace(workspace: Path, outreach_id: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run the command; return its exit code and what it printed."""
    capsys.readouterr()
    code = run(lambda: commands(["--workspace", str(workspace), "trace", outreach_id], standalone_mode=False))
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def test_a_row_is_followed_from_the_model_to_its_outcome(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = copy_workspace(tmp_path / "workspace")
    listed = pd.read_parquet(workspace / "weeks" / NEWEST / "outreach.parquet")
    row = listed[(listed["arm"] == "targeted") & (listed["need"] != "refuge")].iloc[0]
    with served(workspace) as client:
        who = As(client, "wang")
        assert who.get(f"/v1/households/{row['household_id']}/scores").status_code == 200
        sent = who.post("/v1/outcomes", {"outreach_id": row["outreach_id"], "outcome": "needed"})
        assert sent.status_code < 300, sent.text
    code, told = trace(workspace, row["outreach_id"], capsys)
    assert code == 0
    for words in (
        f"名单：{NEWEST} 一周",
        "模型：版本 1",
        "lightgbm",
        "数据：当时的记录保存在",
        "requests_364_days",
        "约束：探索份额 0.3",
        "上一份名单上",
        "谁看过：",
        "user:wang",
        "outreach：",
        "outcome needed",
    ):
        assert words in told, (words, told)
    assert row["household_id"] in told
    again = trace(workspace, row["outreach_id"], capsys)[1]
    assert "outreach.trace" in again, "whoever traces is in the log too"


def test_a_row_that_no_list_has_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = trace(copy_workspace(tmp_path / "workspace"), "nothing", capsys)
    assert code == 1 and "nothing" in told and len(told.strip().splitlines()) == 1
