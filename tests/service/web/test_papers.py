"""The papers of record hold the system's own figures, leave the rest open, and name no household."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from served_town import copy_workspace, served

from service.cli.commands import commands
from service.web.published.model_shelf import MODELS, report_place
from service.web.published.week_files import SERVED
from service.web.rights.papers import BLANK, PAPERS


def write(workspace: Path) -> dict[str, str]:
    """The papers of a workspace by name."""
    found = CliRunner().invoke(commands, ["--workspace", str(workspace), "papers"])
    assert found.exit_code == 0, found.output
    texts = {name: (workspace / "papers" / name).read_text("utf-8") for name in PAPERS}
    for name, text in texts.items():
        assert f"{name}：待填 {text.count(BLANK)} 处" in found.output
    return texts


def register_two(workspace: Path) -> None:
    """Two versions with reports, as a retrain publishes them; the newer one finds more meals."""
    rows = []
    for version, model in ((1, 0.10), (2, 0.40)):
        place = report_place(workspace, version)
        place.mkdir(parents=True)
        needs = [("meals", model), ("childcare", 0.2)]
        table = [
            {
                "need": need, "positives": 30, "model": hits, "low": hits - 0.05, "high": hits + 0.05,
                "baseline_value": 0.15, "predicted_over_observed": 1.02,
            }
            for need, hits in needs
        ]  # fmt: skip
        pd.DataFrame(table).to_csv(place / "against_baselines.csv", index=False, encoding="utf-8-sig")
        rows.append(
            {
                "version": version, "alias": "champion" if version == 2 else None, "run_id": "r",
                "as_of": f"2024-0{version}-01", "registered_at": 1_700_000_000_000, "gate": "allowed",
                "gate_reason": "", "data_fingerprint": "abc", "metrics": {}, "parameters": {},
            }
        )  # fmt: skip
    (workspace / SERVED / MODELS).write_text(json.dumps(rows[::-1]), "utf-8")


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    workspace = copy_workspace(tmp_path_factory.mktemp("papers") / "workspace")
    with served(workspace):
        pass
    register_two(workspace)
    return write(workspace)


def test_each_paper_has_the_headings_of_its_norm(papers: dict[str, str]) -> None:
    chapters = (
        "5.3 数据映射分析",
        "5.4 风险源识别",
        "5.5 个人权益影响分析",
        "5.6 安全风险综合分析",
        "5.7 评估报告",
    )
    found = re.findall(r"^## (.*)$", papers["impact-assessment-gbt-39335.zh.md"], re.M)
    assert tuple(found) == chapters
    elements = re.findall(r"^## \((\w)\)", papers["fundamental-rights-eu-article-27.en.md"], re.M)
    assert elements == list("abcdef")
    record = papers["transparency-record-uk-atrs.en.md"]
    assert record.index("## Tier 1") < record.index("## Tier 2: Owner") < record.index("## Tier 2: Risks")


def test_the_papers_hold_what_was_measured(papers: dict[str, str]) -> None:
    for words in (
        "住户 60，居民 60 人",
        "家暴求助：严重程度 3，敏感：仅社区统筹可见",
        "coordinator",
        "没有登记",
    ):
        assert words in papers["impact-assessment-gbt-39335.zh.md"]
    assert "60 households, 60 residents" in papers["transparency-record-uk-atrs.en.md"]
    assert "40.0% [35.0%, 45.0%]" in papers["transparency-record-uk-atrs.en.md"]
    assert "老年助餐：10.0% [5.0%, 15.0%] → 40.0% [35.0%, 45.0%]，更好" in papers["model-comparison.zh.md"]
    assert "暑期托管" in papers["model-comparison.zh.md"] and "分不出高下" in papers["model-comparison.zh.md"]
    assert "逐条核对：完整" in papers["audit-pack.zh.md"]


def test_what_the_system_cannot_know_is_left_open(papers: dict[str, str]) -> None:
    for name, text in papers.items():
        assert ("comparison" in name) or BLANK in text, name


def test_the_public_notice_names_no_sensitive_need_and_no_paper_a_household(papers: dict[str, str]) -> None:
    assert "家暴求助" not in papers["public-notice.zh.md"]
    assert "只有社区统筹能看到" in papers["public-notice.zh.md"]
    for text in papers.values():
        assert not re.search(r"\bh[0-5]\d\b|西山路", text)


def test_papers_are_written_before_there_is_a_model(tmp_path: Path) -> None:
    workspace = copy_workspace(tmp_path / "workspace")
    (workspace / SERVED / MODELS).unlink(missing_ok=True)
    assert "还没有启用的模型" in write(workspace)["model-comparison.zh.md"]


def test_papers_tell_that_a_model_of_too_few_requests_was_never_validated(tmp_path: Path) -> None:
    workspace = copy_workspace(tmp_path / "workspace")
    with served(workspace):
        pass
    register_two(workspace)
    for name in ("against_baselines.csv", "groups.csv"):
        (report_place(workspace, 2) / name).write_text("\n", "utf-8")
    papers = write(workspace)
    assert "分组核查未做" in papers["impact-assessment-gbt-39335.zh.md"]
    assert "没有留下验证结果" in papers["model-comparison.zh.md"]
