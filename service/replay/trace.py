"""Follow a row of a list back to what it was made from, and on to what came of it."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from features.contract.community import Community
from features.ingest.erasure import rows_of_household
from features.language import UserError, say, say_line
from features.store.reader import read_settings
from models.report.figures import meaning_of_features
from service.replay.sources import published_place
from service.web.audit.log import enter
from service.web.database.engine import Database
from service.web.published.live import Live, load_live
from service.web.published.model_shelf import read_models
from service.web.published.provenance import FILES, read_made
from service.web.published.week_files import AROUND
from service.web.rights.rights import looked_at
from service.weekly.week_directory import (
    BEFORE_LIST,
    SCORES,
    all_listed,
    read_table,
    readable,
    week_directory,
)

MOST = 10  # features that are told, and entries of the audit log
HIDDEN = ("outreach_id", "household_id", "superseded_at", "known_from", "need", "propensity", "arm")


def trace(workspace: Path, outreach_id: str, database: Database | None, who: str) -> list[str]:
    """Write where a row of a list came from, who saw it and what came of it.

    ``database``: the service's, None where there is none. ``who``: asks, for the audit log. Raises UserError where no
    list ever had such a row.
    """
    listed = all_listed(workspace)
    rows = listed[listed["outreach_id"] == outreach_id]
    if not len(rows):
        raise UserError(f"没有哪份名单有 {outreach_id}", f"no list that is kept has the row {outreach_id}")
    row = {str(name): value for name, value in rows.iloc[0].to_dict().items()}
    if database is not None:
        with database.writing() as session:
            enter(session, who, "outreach.trace", row["household_id"], "", outreach_id)
    as_of = date.fromisoformat(str(row["as_of"])[:10])
    place, made = published_place(workspace, as_of), read_made(week_directory(workspace, as_of))
    settings = Community.model_validate(made["settings"]) if made else read_settings(workspace)
    sections = (
        (say("名单", "list"), _row_lines(row, settings)),
        (say("模型", "model"), _model_lines(workspace, row, made)),
        (say("数据", "data"), _data_lines(made, place)),
        (say("分数和特征", "score and features"), _feature_lines(workspace, row, as_of, place)),
        (say("约束", "constraints"), _constraint_lines(workspace, row, as_of, place, settings)),
        (say("谁看过", "who saw it"), _seen_lines(database, row)),
        (say("后来", "what came of it"), _outcome_lines(workspace, row, as_of, settings)),
    )
    return [f"{title}：{line}" for title, lines in sections for line in lines]


def _row_lines(row: dict[str, Any], settings: Community) -> list[str]:
    names = {need.id: need.name.here for need in settings.needs}
    need, arm = names.get(row["need"], row["need"]), row["arm"]
    drawn = say(
        f"抽签，抽中概率 {row['propensity']:.3g}", f"drawn by lot, propensity {row['propensity']:.3g}"
    )
    why = (
        drawn
        if arm == "random"
        else say(f"按分数，理由：{row['reason']}", f"by score, reason: {row['reason']}")
    )
    who = row["worker_id"] or say("本微网格的一名工作人员", "a worker of the micro-grid")
    return [
        say(
            f"{row['as_of']} 一周，{row['grid_id']} {row['microgrid_id']} 的 {row['household_id']}，{need}；"
            f"{who} 的第 {row['visit_order']} 户",
            f"week of {row['as_of']}, {row['household_id']} in {row['grid_id']} {row['microgrid_id']}, {need};"
            f" visit {row['visit_order']} of {who}",
        ),
        why,
    ]


def _model_lines(workspace: Path, row: dict[str, Any], made: dict[str, Any]) -> list[str]:
    version = str(row["model_version"])
    lines = [say(f"版本 {version}", f"version {version}")]
    for model in read_models(workspace):
        if str(model["version"]) == version:
            lines[0] += say(
                f"，训练截至 {model['as_of']}，MLflow 运行 {model['run_id']}，门槛 {model['gate']}，"
                f"数据指纹 {model['data_fingerprint'][:16]}",
                f", trained on data up to {model['as_of']}, MLflow run {model['run_id']}, gate {model['gate']},"
                f" data fingerprint {model['data_fingerprint'][:16]}",
            )
    if made:
        packages = ", ".join(f"{name} {version}" for name, version in made["packages"].items())
        lines += say_line(
            f"文件摘要 {made['model_digest'][:16]}；{packages}",
            f"digest of its files {made['model_digest'][:16]}; {packages}",
        )
    return lines


def _data_lines(made: dict[str, Any], place: Path | None) -> list[str]:
    kept = (
        say(f"当时的记录保存在 {place}", f"the records of the time are kept in {place}")
        if place
        else say(
            "这一周已不再发布，当时的记录只在库里",
            "the week is no longer published; its records are in the store only",
        )
    )
    files = ", ".join(f"{name} {digest[:12]}" for name, digest in made.get(FILES, {}).items())
    return [kept, *([say(f"表的摘要 {files}", f"digests of the tables {files}")] if files else [])]


def _feature_lines(workspace: Path, row: dict[str, Any], as_of: date, place: Path | None) -> list[str]:
    path, lines = week_directory(workspace, as_of) / SCORES, []
    wanted = [("household_id", "==", row["household_id"]), ("need", "==", row["need"])]
    with readable(path):
        scores = pd.read_parquet(path, filters=wanted) if path.is_file() else pd.DataFrame()
    for score in scores.to_dict("records"):
        lines += say_line(
            f"p_request {score['p_request']:.4f}，p_need {score['p_need']:.4f}，本项第 {score['rank']} 位",
            f"p_request {score['p_request']:.4f}, p_need {score['p_need']:.4f}, rank {score['rank']} of the need",
        )
    live = load_live(place) if place else None
    if live is None:
        return [*lines, say("当时的特征已不在", "the features of the time are no longer kept")]
    try:
        weighed = live.weighed(row["household_id"], row["need"], row["grid_id"])
        reasons = live.explain(row["household_id"], row["need"], row["grid_id"])
    except KeyError:
        return [
            *lines,
            say("当时的记录里没有这一户的这一项", "the records of the time lack this household or need"),
        ]
    return [
        *lines,
        *_weighed_lines(live, weighed),
        *(f"{reason.text}（{reason.evidence or reason.kind}）" for reason in reasons),
    ]


def _weighed_lines(live: Live, weighed: list[tuple[str, float, float]]) -> list[str]:
    meaning = meaning_of_features(live.model.schema)
    return [
        f"{name} = {value:.4g}（{weight:+.3f}）{meaning.get(name, '')}"
        for name, value, weight in weighed[:MOST]
        if weight
    ]


def _constraint_lines(
    workspace: Path, row: dict[str, Any], as_of: date, place: Path | None, settings: Community
) -> list[str]:
    rules = settings.outreach
    lines = say_line(
        f"探索份额 {rules.explore_share:g}，冷却 {rules.cooldown_weeks:g} 周，每户一年至多 "
        f"{rules.visits_per_household_a_year} 次，续留加成 {rules.keep_bonus:g}",
        f"explore_share {rules.explore_share:g}, cooldown_weeks {rules.cooldown_weeks:g},"
        f" visits_per_household_a_year {rules.visits_per_household_a_year}, keep_bonus {rules.keep_bonus:g}",
    )
    kept = place / AROUND if place else None
    around = orjson.loads(kept.read_bytes()) if kept and kept.is_file() else {}
    for worker in around.get("workers", []):
        if worker["worker_id"] and worker["worker_id"] == row["worker_id"]:
            lines += say_line(
                f"{row['worker_id']} 本周 {worker['visits']} 户",
                f"{row['worker_id']} has {worker['visits']} visits",
            )
    for programme in settings.programmes:
        left = around.get("seats_left", {}).get(programme.id)
        if row["need"] in programme.needs and left is not None:
            lines += say_line(
                f"{programme.name.here} 还有 {left} 个名额",
                f"{programme.name.here} has {left} seats left",
            )
    before = week_directory(workspace, as_of) / BEFORE_LIST
    if before.is_file():
        held = read_table(before)
        listed = (held["household_id"] == row["household_id"]).any()
        lines.append(
            say("上一份名单上也有这一户", "on the list before too")
            if listed
            else say("上一份名单上没有这一户", "not on the list before")
        )
    return lines


def _seen_lines(database: Database | None, row: dict[str, Any]) -> list[str]:
    if database is None:
        return [say("没有服务，没有审计日志", "no service, no audit log")]
    entries = [
        entry
        for entry in looked_at(database, row["household_id"])
        if entry["at"][:10] >= str(row["as_of"])[:10]
    ]
    lines = [
        " ".join(entry[name] for name in ("at", "who", "action", "purpose") if entry[name])
        for entry in entries[-MOST:]
    ]
    more = len(entries) - len(lines)
    return [*lines, *([say(f"更早还有 {more} 条", f"{more} earlier entries")] if more else [])]


def _outcome_lines(workspace: Path, row: dict[str, Any], as_of: date, settings: Community) -> list[str]:
    held = rows_of_household(workspace, row["household_id"])
    lines = []
    for table in ("outreach", "feedback"):
        for entry in held.get(table, []):
            if entry["outreach_id"] == row["outreach_id"] and entry["superseded_at"] is None:
                shown = {
                    name: value for name, value in entry.items() if value is not None and name not in HIDDEN
                }
                lines.append(f"{table}：" + "，".join(f"{name} {value}" for name, value in shown.items()))
    need = next((need for need in settings.needs if need.id == row["need"]), None)
    until = as_of + timedelta(weeks=need.lead_weeks + need.horizon_weeks) if need else as_of
    for entry in held.get("requests", []):
        asked = entry["requested_at"]
        if entry["superseded_at"] is None and entry["need"] == row["need"] and as_of <= asked.date() < until:
            lines += say_line(
                f"{asked:%Y-%m-%d} 提出诉求（{entry['request_id']}）",
                f"asked on {asked:%Y-%m-%d} ({entry['request_id']})",
            )
    return lines or [say("还没有结果，这段时间也没有来申请", "no outcome, and no request within the window")]
