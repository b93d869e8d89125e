"""Commands about requests in words: train and evaluate the classifier, decide on the least certain texts."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from features.language import UserError, say
from service.cli.options import Directory, File
from service.console.terminal import show, show_line, stage

if TYPE_CHECKING:
    import pandas as pd

    from features.contract.community import Community

group = click.Group()
FEWEST_FOR_MODEL = 30  # labelled texts


@group.group(
    help=say("文字诉求：训练、评估分类模型，核对拿不准的", "requests in words: train, evaluate, review")
)
def text() -> None:
    """Requests in words."""


@text.command(
    help=say("用有标签的文字评估（嵌套交叉验证）", "evaluate on labelled texts by nested cross-validation")
)
@click.argument("path", type=File)
@click.option("--text", "body", default="", help=say("文字所在的列", "column of the text"))
@click.option("--label", default="", help=say("类别所在的列", "column of the label"))
@click.option("--title", default="", help=say("标题所在的列", "column of the title"))
@click.option(
    "--keywords", type=File, help=say("关键词表 yaml：类别: [词]", "yaml of keywords, label: [words]")
)
@click.option("--output", type=Directory, help=say("报告目录", "directory of the report"))
@click.pass_obj
def evaluate(
    workspace: Path, path: Path, body: str, label: str, title: str, keywords: Path | None, output: Path | None
) -> None:
    """Print what was measured and write a report with plots, which holds no text."""
    from features.atomic import write_atomically
    from features.contract.settings_file import SETTINGS_FILE
    from features.store.reader import read_settings
    from models.text.evaluate import evaluate
    from models.text.report import lines_of, report_files
    from service.texts.labelled import indicator, keywords_of, read_labelled

    community = read_settings(workspace) if (workspace / SETTINGS_FILE).is_file() else None
    rows = read_labelled(path, body, label, title)
    texts, needs, labels = indicator(rows)
    _check(len(texts), len(needs))
    with stage(say(f"评估 {len(texts)} 条", f"evaluate {len(texts)} texts")):
        evaluation, _ = evaluate(texts, labels, needs, keywords_of(needs, community, keywords))
    show(lines_of(evaluation))
    if left := len(rows) - len(texts):
        show_line(
            f"  {left} 条属于不足 5 条的类别，未计入",
            f"  {left} texts of classes with fewer than 5 left out",
        )
    place = output or workspace / "text" / "evaluation"
    place.mkdir(parents=True, exist_ok=True)
    with stage(say("写报告", "write the report")):
        for name, content in report_files(evaluation).items():
            write_atomically(place / name, content)
    show_line(f"报告在 {place}", f"report in {place}")


@text.command(
    help=say("用已有标签和已定的文字训练并登记", "train on labelled and decided texts, and register")
)
@click.option("--labels", type=File, help=say("另加有标签的 xlsx 或 csv", "another xlsx or csv with labels"))
@click.pass_obj
def train(workspace: Path, labels: Path | None) -> None:
    """Train, validate and register a classifier; it is in force if it beats keywords and is no worse than before."""
    import pandas as pd

    from features.store.reader import read_settings
    from models.registry.text_models import log_text_model, read_text_model
    from models.text.evaluate import evaluate
    from models.text.gate import judge, keep_trained_on, read_trained_on
    from models.text.report import lines_of, report_files
    from service.texts.labelled import indicator, keywords_of, known_texts, read_labelled

    community = read_settings(workspace)
    rows = known_texts(workspace)
    if labels:
        rows = pd.concat([rows, _with_ids(read_labelled(labels), community)], ignore_index=True)
    ids = [need.id for need in community.needs]
    texts, needs, marked = indicator(rows[rows["label"].isna() | rows["label"].isin(ids)].drop_duplicates())
    _check(len(texts), len(needs))
    with stage(say(f"训练 {len(texts)} 条", f"train on {len(texts)} texts")):
        evaluation, model = evaluate(texts, marked, needs, keywords_of(needs, community, None))
    show(lines_of(evaluation))
    allowed, why = judge(evaluation, texts, read_text_model(workspace), read_trained_on(workspace))
    with stage(say("登记", "register")):
        params = {"needs": needs, "texts": len(texts), "threshold": model.threshold}
        metrics = {name: value for name, value in evaluation.metrics.items() if value == value}
        if allowed:
            keep_trained_on(workspace, texts)
        version = log_text_model(workspace, model, (metrics, params), report_files(evaluation), allowed)
    show(
        [
            say(
                f"文字分类版本 {version} 已启用：{why}",
                f"text classifier version {version} is in force: {why}",
            )
            if allowed
            else say(
                f"文字分类版本 {version} 未启用：{why}",
                f"text classifier version {version} is not in force: {why}",
            )
        ]
    )


@text.command(
    help=say("启用文字分类的某个版本，也用来退回", "put a version of the text classifier in force, or back")
)
@click.argument("version", type=click.IntRange(min=1))
@click.pass_obj
def promote(workspace: Path, version: int) -> None:
    """Put a registered version in force."""
    from models.registry.text_models import promote_text_model

    promote_text_model(workspace, version)
    show(
        [say(f"现在启用文字分类版本 {version}", f"version {version} of the text classifier is in force now")]
    )


@text.command(
    help=say(
        "写出拿不准的文字供人核对，或用 --read 读回",
        "write the least certain texts to decide on, or read back",
    )
)
@click.option("--read", "filled", type=File, help=say("读回填好的表", "read a filled-in sheet"))
@click.option("--output", type=File, help=say("表的位置", "where to write the sheet"))
@click.option("--most", type=click.IntRange(min=1), default=100, show_default=True)
@click.pass_obj
def review(workspace: Path, filled: Path | None, output: Path | None, most: int) -> None:
    """Write the review sheet, or keep its decisions, which train the next model."""
    from features.store.reader import read_settings
    from models.registry.text_models import read_text_model
    from models.text.decisions import keep_decisions, read_decisions
    from models.text.needs import needs_of
    from service.texts.labelled import open_texts
    from service.texts.review_sheet import read_text_review, write_text_review

    community = read_settings(workspace)
    if filled:
        kept = keep_decisions(workspace, read_text_review(filled, community))
        show_line(
            f"记下 {kept} 条决定，下次 text train 时使用",
            f"kept {kept} decisions for the next text train",
        )
        return
    texts = open_texts(workspace).reset_index(drop=True)
    with stage(say("分类", "classify")):
        answers = needs_of(texts, community, read_text_model(workspace), read_decisions(workspace))
    unsure = answers[answers["abstained"]].drop_duplicates("row")
    unsure = unsure.sort_values("probability", kind="stable").head(most)  # the least certain first
    frame = unsure.assign(text=texts.loc[unsure["row"]].to_numpy())
    path = output or workspace / "review" / "needs.xlsx"
    asked, open_ones = (
        write_text_review(path, frame, community),
        answers.groupby("row")["abstained"].all().sum(),
    )
    show_line(
        f"{len(texts)} 条文字，{open_ones} 条拿不准；写出 {asked} 条：{path}",
        f"{len(texts)} texts, {open_ones} of them not sure; wrote {asked}: {path}",
    )


def _with_ids(rows: "pd.DataFrame", community: "Community") -> "pd.DataFrame":
    """Put needs' ids in the place of their names."""
    return rows.assign(label=rows["label"].map(community.need_of_word())).dropna(subset=["label"])


def _check(texts: int, needs: int) -> None:
    """Raise UserError where there is too little to learn from."""
    if texts < FEWEST_FOR_MODEL or needs < 2:
        raise UserError(
            f"只有 {texts} 条有标签的文字、{needs} 个类别：至少要 {FEWEST_FOR_MODEL} 条、2 个各有 5 条的类别",
            f"only {texts} labelled texts of {needs} classes: {FEWEST_FOR_MODEL} texts and 2 classes of 5 are needed",
        )
