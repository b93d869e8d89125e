"""One week's work on a workspace: scores, lists, demand and outcomes, as files."""

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.atomic import copy_atomically, write_atomically
from features.contract.community import Community
from features.contract.settings_file import SETTINGS_FILE
from features.ingest.quarantine import FOLDER
from features.language import LANGUAGES, UserError, in_language, language, say
from features.point_in_time.cohort import default_as_of
from features.point_in_time.records import Known, Records, date_of, day_of, known_before
from features.store.reader import read_programme_history, read_records
from service.planning.planner import COLUMNS, Plan, plan
from service.weekly.model_lines import about, hindsight

if TYPE_CHECKING:
    from features.store.partitions import Parts
    from models.registry.registry import Champion
    from models.scoring.live import TownState
    from models.scoring.score import Scored

LATEST = timedelta(days=2 * 366)  # an as-of date later than this after the data is a slip of the pen,
AHEAD = timedelta(weeks=5)  # and so is one later than this after both the data and today
FRESH = timedelta(weeks=4)  # after the data's end: what happened since is missing
Stage = Callable[[str], AbstractContextManager[None]]
BEFORE = 3  # weeks after which an old list is no longer what workers have in hands
DROPPED = "dropped.csv"
WEEKS, SCORES, RISK, OUTREACH, LISTED = (
    "weeks",
    "scores.parquet",
    "risk.parquet",
    "outreach.parquet",
    "listed.parquet",
)


def choose_as_of(records: "Records | Parts", given: date | None) -> tuple[date, list[str]]:
    """The as-of date in force and lines on it.

    Raises UserError where no household is known before it, or where it lies years after the data or is yet to come:
    its lists would be the newest that the service shows for as long.
    """
    now = datetime.now(UTC)
    default, line = default_as_of(records, now)
    chosen, last = given or default, date_of(records.last_day)
    today = now.astimezone(ZoneInfo(records.community.community.timezone)).date()
    if given and chosen > max(today, last) + AHEAD:
        raise UserError(
            say(
                f"{given} 还早，最多到今天或数据结束后五周；请核对年份",
                f"{given} is too far ahead, more than five weeks after today and the data; check the year",
            )
        )
    if chosen > last + LATEST and given:
        raise UserError(
            say(
                f"{given} 离数据结束的 {last} 太远，请换一个日期",
                f"{given} is too long after the data end ({last})",
            )
        )
    if not records.first_day < day_of(chosen):
        raise UserError(
            say(
                f"{chosen} 之前没有任何住户资料，请换一个日期",
                f"no household is known before {chosen}; choose a later date",
            )
        )
    if given and chosen > last + FRESH:
        line = say(
            f"截至日期 {chosen}：数据只到 {last}，此后 {(chosen - last).days} 天的情况不在其中",
            f"as of {chosen}: the data end on {last}; what happened in the {(chosen - last).days} days since is missing",
        )
        return chosen, [line]
    return chosen, [] if given else [line]


def week_directory(workspace: Path, as_of: date) -> Path:
    """Where one week's files are kept."""
    return workspace / WEEKS / as_of.isoformat()


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a Parquet file, whole or not at all."""
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), content)
    write_atomically(path, content.getvalue())


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a Parquet file of the workspace, by default all columns. Raises UserError where it cannot be read."""
    with _readable(path):
        return pd.read_parquet(path, columns=columns)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise UserError(
            say(f"{path}：读不了，请删除后重新运行", f"{path}: cannot be read; delete it and run again")
        ) from error


def scored_pieces(path: Path) -> Iterator[pa.Table]:
    """A week's scores, a row group at a time: household_id and need as dictionaries, and p_request. Raises UserError
    where they cannot be read."""
    texts = ["household_id", "need"]
    with _readable(path), pq.ParquetFile(path, read_dictionary=texts) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number, [*texts, "p_request"])


def scored_by(path: Path) -> str:
    """The version of the model that made a week's scores, "" where there are none."""
    with _readable(path), pq.ParquetFile(path) as file:
        versions = file.read_row_group(0, ["model_version"])["model_version"] if file.num_row_groups else []
        return str(versions[0]) if len(versions) else ""


def champion_or_none(workspace: Path, community: Community) -> "Champion | None":
    """The champion in force, None where there is none for these needs."""
    from models.registry.registry import NoChampion, champion

    try:
        return champion(workspace, community, refresh=True)
    except NoChampion:
        return None


def score_week(
    workspace: Path, records: Records, as_of: date, output: Path, stage: Stage
) -> "tuple[Scored, list[str]]":
    """Score every household of a date with the champion; publish the scores, and keep and copy their tables.

    Returns the scores, and lines: how many were scored, and whether silence is corrected.
    """
    from models.registry.registry import champion

    with stage(say("读取模型", "load the champion")):
        model = champion(workspace, records.community)
    scored = _scored(records, as_of, model, stage)
    _keep(workspace, records, scored, model, output, stage)
    households, count = scored.scores["household_id"].nunique(), len(scored.scores)
    line = say(
        f"{as_of}：{households} 户、{count} 条评分，模型版本 {model.version}，写入 {output}",
        f"{as_of}: {households} households, {count} scores, model version {model.version}, in {output}",
    )
    return scored, [line, *about(model, records.community), *hindsight(model, as_of)]


def _scored(records: Records, as_of: date, model: "Champion", stage: Stage) -> "Scored":
    from models.scoring.score import score

    with stage(say("评分", "score")):
        return score(records, model.model, day_of(as_of), model.version)


def _keep(
    workspace: Path, records: Records, scored: "Scored", model: "Champion", output: Path, stage: Stage
) -> None:
    from models.scoring.live import town_state
    from service.web.published.publish import publish

    with stage(say("写出", "write")):
        state = town_state(scored, str(model.version))
        publish(workspace, scored.scores, scored.risk, records, scored.known, model, state)
        _write_scores(workspace, scored.scores, scored.risk, scored.known.as_of, output)


def _write_scores(
    workspace: Path, scores: pd.DataFrame, risk: pd.DataFrame, as_of: int, output: Path
) -> None:
    """Keep the tables, and copy them to ``output``. They come last: where they are, the week is published too."""
    home = week_directory(workspace, date_of(as_of))
    for frame, kept, copy in (
        (risk, home / RISK, output.with_name(RISK)),
        (scores, home / SCORES, output),
    ):
        write_table(frame, kept)
        if copy.resolve() != kept.resolve():
            copy_atomically(kept, copy)


def _kept(workspace: Path, as_of: date, model: "Champion") -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """The scores and risks kept for a date; None where they are missing, or older than the records, settings or
    model."""
    home = week_directory(workspace, as_of)
    made_from = [path for path in (workspace / "records.duckdb", workspace / SETTINGS_FILE) if path.is_file()]
    if not ((home / SCORES).is_file() and (home / RISK).is_file()):
        return None
    scores = read_table(home / SCORES)
    fresh = (home / SCORES).stat().st_mtime >= max(path.stat().st_mtime for path in made_from)
    if fresh and set(scores["model_version"].astype(str).unique()) <= {str(model.version)}:
        return scores, read_table(home / RISK)
    return None


def current_scores(
    workspace: Path, records: Records, as_of: date, model: "Champion", stage: Stage
) -> pd.DataFrame:
    """The scores of a date: those that are kept, or made, published and kept now."""
    if kept := _kept(workspace, as_of, model):
        return kept[0]
    scored = _scored(records, as_of, model, stage)
    _keep(workspace, records, scored, model, workspace / SCORES, stage)
    return scored.scores


@dataclass(frozen=True)
class Made:
    """A week's lists before they are written. ``visits``: described, by language. ``state``: of the town, where it was
    scored now."""

    scores: pd.DataFrame
    risk: pd.DataFrame
    known: Known
    planned: Plan
    visits: dict[str, pd.DataFrame]
    state: "TownState | None"


def list_week(workspace: Path, records: Records, as_of: date, output: Path, stage: Stage) -> list[str]:
    """The week's lists into the workspace and, where that is elsewhere, into ``output``; lines on them.

    Scores that were still to be made are published and kept with them.
    """
    from models.registry.registry import champion

    with stage(say("读取模型", "load the champion")):
        model = champion(workspace, records.community)
    made = _made(workspace, records, as_of, model, stage)
    with stage(say("写名单", "write the lists")):
        lines = _written(workspace, records, made, model, as_of, output)
    return [*lines, summary(made.visits[language()]), say(f"名单在 {output}", f"lists are in {output}")]


def _made(workspace: Path, records: Records, as_of: date, model: "Champion", stage: Stage) -> Made:
    """The lists, from scores that are kept or made now."""
    from models.scoring.live import town_state
    from service.lists.reasons import reasons_in
    from service.lists.visit_rows import describe

    kept, scored, state = _kept(workspace, as_of, model), None, None
    if kept is None:
        scored = _scored(records, as_of, model, stage)
        kept, state = (scored.scores, scored.risk), town_state(scored, str(model.version))
    known = scored.known if scored else known_before(records, day_of(as_of))
    with stage(say("排名单", "plan")):
        history, before = read_programme_history(workspace, known.as_of), list_before(workspace, as_of)
        planned = plan(kept[0], known, history=history, before=before)
    with stage(say("写理由", "reasons")):
        worded = reasons_in(LANGUAGES, planned.visits, known, model, scored.features if scored else None)
        visits = {one: in_language(one, describe, worded[one], known, history) for one in LANGUAGES}
    return Made(*kept, known, planned, visits, state)


def _written(
    workspace: Path, records: Records, made: Made, model: "Champion", as_of: date, output: Path
) -> list[str]:
    """Write and publish the lists, and what was scored; lines on them."""
    from models.estimators.threads import working_beside
    from models.fairness.audit import audit_list
    from models.monitoring.reason_quality import returned
    from service.lists.feedback_week import feedback_week
    from service.planning.workers import workers_of
    from service.web.published.packing import Listed
    from service.web.published.publish import publish
    from service.weekly.group_week import list_lines
    from service.weekly.list_files import handout, write_handout

    scores, risk, known, visits = made.scores, made.risk, made.known, made.visits[language()]
    home, table = week_directory(workspace, as_of), visits[list(COLUMNS)]
    with working_beside() as beside:
        audit = beside.submit(audit_list, scores, table, known)  # two million draws: NumPy's work
        keep_listed(home, visits[[*COLUMNS, "reason_kinds"]])
        listed = all_listed(workspace)
        feedback = {
            one: in_language(one, feedback_week, known, listed, returned(records)) for one in LANGUAGES
        }
        said = [*about(model, known.community), *made.planned.lines]
        of_week = (visits, known, scores, risk, said, as_of, feedback[language()], model.model)
        files = in_language(language(), handout, *of_week)
        lines, gone = [], made.planned.dropped.to_csv(index=False).encode("utf-8-sig")
        for place in dict.fromkeys([home.resolve(), output.resolve()]):
            write_table(table, place / OUTREACH)
            write_atomically(place / DROPPED, gone)
            lines += write_handout(place, files)
        lines += list_lines(home, audit.result(), known)
    to_serve = Listed(made.visits, feedback, workers_of(known).frame)
    publish(workspace, scores, risk, records, known, model, made.state, to_serve)
    if made.state:
        _write_scores(workspace, scores, risk, known.as_of, workspace / SCORES)
    return [*said, *lines]


def list_before(workspace: Path, as_of: date) -> pd.DataFrame | None:
    """The newest list of the weeks before a date, ``BEFORE`` weeks at most; None where there is none."""
    for back in range(1, BEFORE + 1):
        path = week_directory(workspace, as_of - timedelta(weeks=back)) / OUTREACH
        if path.is_file():
            return read_table(path)
    return None


def keep_listed(home: Path, table: pd.DataFrame) -> None:
    """Remember every pair ever listed for a week: a list printed before it was made anew may come back."""
    path = home / LISTED
    if path.is_file():
        before = read_table(path)
        table = pd.concat([table, before[~before["outreach_id"].isin(table["outreach_id"])]])
    write_table(table, path)


def summary(visits: pd.DataFrame) -> str:
    """How many households and needs are listed."""
    homes = visits.drop_duplicates("household_id")
    drawn = int((homes["arm"] == "random").sum())
    return say(
        f"{len(homes)} 户、{len(visits)} 条需求，其中抽签 {drawn} 户",
        f"{len(homes)} households, {len(visits)} needs; {drawn} households drawn by lot",
    )


def record_files(workspace: Path, files: list[Path], stage: Stage) -> tuple[list[str], list[str]]:
    """Store the outcomes in filled-in workbooks; lines on what was stored, and on what was refused."""
    from service.returns.feedback_lines import recorded_lines
    from service.returns.read_outcomes import read_outcomes

    with stage(say("读取记录", "read the records")):
        records = read_records(workspace)
        listed = all_listed(workspace)
    if not len(listed):
        raise UserError(
            say(
                f"{workspace}：还没有发出过名单，请先运行 xianying outreach",
                f"{workspace}: no lists were made yet; run xianying outreach first",
            )
        )
    with stage(say("读取表格", "read the workbooks")):
        now = datetime.now(ZoneInfo(records.community.community.timezone))
        found = read_outcomes(files, listed, records, now)
    lost = 0
    if found.rows or found.feedback:
        with stage(say("入库", "store")):
            lost = _store(workspace, {"outreach": found.rows, "feedback": found.feedback})
    stored = say(
        f"记录 {len(found.rows)} 条结果，{found.known} 条此前已记录，{len(found.refused)} 条未能识别",
        f"{len(found.rows)} outcomes recorded, {found.known} recorded before, {len(found.refused)} refused",
    )
    lines = [stored, *recorded_lines(found.feedback)]
    if lost:
        lines.append(
            say(
                f"其中 {lost} 行没有入库：住户资料已删除，或见 {workspace / FOLDER}",
                f"{lost} of these rows were not stored: their households were deleted, or see {workspace / FOLDER}",
            )
        )
    return lines, found.refused


def _store(workspace: Path, tables: dict[str, list[dict[str, Any]]]) -> int:
    """Add rows of the contract's tables to the records, all or none; how many could not be used."""
    from features.ingest.ingest import ingest

    with tempfile.TemporaryDirectory() as directory:
        for table, rows in tables.items():
            if rows:
                pd.DataFrame(rows).to_csv(Path(directory) / f"{table}.csv", index=False)
        report = ingest(Path(directory), workspace, everything=False)
    return sum(table.quarantined for table in report.tables.values())


def all_listed(workspace: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Every pair ever listed: the columns of outreach.parquet and reason_kinds, or some of them; no rows before any
    list."""
    names = columns or [*COLUMNS, "reason_kinds"]
    tables = [read_table(path, columns) for path in sorted((workspace / WEEKS).glob(f"*/{LISTED}"))]
    empty = pd.DataFrame(columns=names, dtype=object)
    return pd.concat([empty, *tables], ignore_index=True) if tables else empty
