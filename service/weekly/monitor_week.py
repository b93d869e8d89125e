"""Look back at past weeks on a workspace, and keep what was found."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import pandas as pd

from features.atomic import write_atomically
from features.blocks.build import town_span
from features.blocks.groups import Groups
from features.contract.community import Community
from features.language import in_languages, language, say, speaking
from features.point_in_time.records import Known, Records, date_of, day_of, known_before
from features.point_in_time.town import TownSummary
from features.store.database import open_store
from features.store.export_history import new_unknown_needs, rows_set_aside
from features.store.partitions import Partitions
from models.fairness.lines import group_lines
from models.monitoring import alarms
from models.monitoring.alarms import Alarm, as_rows, drift_alarms, training_due
from models.monitoring.feature_drift import feature_drift
from models.monitoring.monitor import (
    AskingByGrid,
    PastRequests,
    Span,
    TableStates,
    freshness,
    joined_outcomes,
    past_demand,
    past_week,
    spans_told,
)
from models.monitoring.phase_in_effect import effect_lines, outcomes_of_lots
from models.monitoring.ranking_value import lot_visits, value_lines, values
from models.monitoring.reason_quality import Returned, returned
from models.monitoring.streams import answered_visits, streams
from models.monitoring.visit_times import best_times, time_lines, visit_counts
from models.monitoring.visits_made import VisitsMade, audit_made, days_told, visits_made
from models.scoring.executors import Each, local
from service.console.terminal import Stage
from service.lists.feedback_week import FeedbackWeek, feedback_week, joined_weeks, quality_rows
from service.returns.feedback_lines import feedback_lines
from service.web.hooks.outbox import tell
from service.web.hooks.subscribers import ALARM
from service.web.published.model_shelf import read_models
from service.weekly.monitor_lines import (
    demand_lines,
    freshness_lines,
    outcome_lines,
    past_lines,
    set_aside_lines,
)
from service.weekly.score_cache import champion_or_none, scored_by, scored_pieces
from service.weekly.week_directory import (
    DEMAND,
    LOOK_BACK,
    OUTREACH,
    SCORES,
    WEEKS,
    all_listed,
    all_lots,
    read_alarms,
    read_table,
)

YEAR_OF_VISITS = 52  # weeks whose visits by lot tell what a ranking is worth
NO_LIST = pd.DataFrame(columns=["outreach_id", "reason_kinds", "worker_id"], dtype=object)


@dataclass(frozen=True)
class LookBack:
    """What a look back finds about the households that live in a partition."""

    seen: TableStates
    asked: PastRequests
    came: AskingByGrid
    visits: VisitsMade
    feedback: dict[str, FeedbackWeek]  # in each language, without the quality of reasons
    returned: Returned


def look_back(
    records: Records, known: Known, then: Callable[[int], Known], spans: Sequence[Span]
) -> LookBack:
    """Look back at the households that live in a partition.

    ``records``: all that is stored by now, for what came back from lists. ``known``: what
    was known on the day of the look back. ``then``: gives what was known at each of ``visits_made.days_told``.
    ``spans``: the spans of past demand, pairs of days [begins, ends).
    """
    back = returned(records)
    return LookBack(
        TableStates.of(known),
        PastRequests.of(known),
        AskingByGrid.of(known, spans),
        visits_made(known, then),
        in_languages(feedback_week, known, NO_LIST, back),
        back,
    )


def look_at_partition(
    town: Partitions,
    as_of: int,
    spans: Sequence[Span],
    towns: dict[int, TownSummary],
    spoken: str,
    number: int,
) -> LookBack:
    """Look back at the partition of a number, in the language ``spoken``.

    ``towns``: what groups need of the whole town at each of ``days_told``, where there are several partitions.
    """
    records = town.own(number, as_of)

    def then(day: int) -> Known:
        return known_before(records, day, towns.get(day))

    with speaking(spoken):
        return look_back(records, then(as_of), then, spans)


def look_at_town(town: Partitions, as_of: int, spans: Sequence[Span], each: Each = local) -> list[LookBack]:
    """Look back at every partition of a town.

    ``as_of``: day of the look back. ``spans``: as in ``look_back``. ``each`` calls a task for every partition.
    """
    towns: dict[int, TownSummary] = {}
    if len(town) > 1:
        sample = town.read(town.sample)
        towns = {day: town_span(known_before(sample, day)) for day in days_told(as_of)}
    task = partial(look_at_partition, town, as_of, spans, towns, language())
    return list(each(task, range(len(town))))


def monitor_week(
    workspace: Path, town: Partitions, as_of: date, stage: Stage, each: Each = local
) -> list[str]:
    """Check the data's freshness, the quarantine, feedback, and past weeks whose windows have passed; return lines.

    The lines are also kept in every language, for the service's pages. ``stage`` shows each step; ``each`` calls a task
    for every partition (``models.scoring.executors``).
    """
    with stage(say("查看数据", "look at the data")):
        demands = _past_tables(workspace, as_of)
        look_backs = look_at_town(town, day_of(as_of), _spans(demands, day_of(as_of)), each)
        table, groups = audit_made([partition.visits for partition in look_backs])
        listed = all_listed(workspace, ["outreach_id", "reason_kinds"])
    with stage(say("核对前几周", "check past weeks")):
        asked = PastRequests.joined([partition.asked for partition in look_backs])
        past, demand = _past_weeks(workspace, asked), _past_demand(asked, look_backs, demands)
        learnt = _learnt(workspace, town.community, day_of(as_of))
    with stage(say("警报", "alarms")):
        alarms = _alarms(workspace, town, day_of(as_of), look_backs, past, (table, groups))
    lines = in_languages(
        lambda: [
            *(alarm.line for alarm in alarms),
            *_now_lines(workspace, look_backs, listed, table, groups),
            *past_lines(past, town.community),
            *demand_lines(demand),
            *learnt(),
        ]
    )
    kept = {"as_of": as_of.isoformat(), "lines": lines, "alarms": as_rows(alarms)}
    write_atomically(workspace / LOOK_BACK, json.dumps(kept, ensure_ascii=False).encode())
    if alarms:
        named = [{"kind": alarm.kind, "since": alarm.since} for alarm in alarms]
        tell(workspace, ALARM, {"as_of": as_of.isoformat(), "alarms": named})
    return lines[language()]


def _alarms(
    workspace: Path,
    town: Partitions,
    as_of: int,
    look_backs: list[LookBack],
    past: pd.DataFrame,
    visits: tuple[pd.DataFrame, Groups],
) -> list[Alarm]:
    """Raise the alarms of a look back; one that was raised by the look back before keeps its day."""
    community = town.community
    alarms_found = [
        *alarms.freshness_alarms(freshness([partition.seen for partition in look_backs], as_of)),
        *alarms.set_aside_alarms(_set_aside(workspace)),
        *alarms.unknown_need_alarms(_unknown_needs(workspace)),
        *alarms.stream_alarms(streams(workspace, as_of), community, as_of),
        *alarms.week_alarms(past, community),
        *alarms.find_alarms(*answered_visits(workspace, as_of), as_of),
        *alarms.group_alarms(*visits, as_of),
        *_drift(workspace, town, as_of),
    ]
    return alarms.continued(alarms_found, read_alarms(workspace), date_of(as_of))


def _drift(workspace: Path, town: Partitions, as_of: int) -> list[Alarm]:
    """Raise an alarm where features moved further since the champion's training than usual."""
    champion = champion_or_none(workspace, town.community)
    trained = champion.model.metadata.get("as_of") if champion else None
    if champion is None or trained is None:
        return []
    day = date.fromisoformat(trained)
    return drift_alarms(feature_drift(town.read(town.sample), champion.model.schema, day_of(day), as_of), day)


def _learnt(workspace: Path, community: Community, as_of: int) -> Callable[[], list[str]]:
    """Return what writes the lines on what visits taught: rankings, the phase-in, and when somebody is at home."""
    visits, lots = lot_visits(workspace, as_of), all_lots(workspace)
    paths = sorted((workspace / WEEKS).glob(f"*/{SCORES}"))[-YEAR_OF_VISITS:] if len(visits) else []
    weeks = ((day_of(date.fromisoformat(path.parent.name)), path) for path in paths)
    columns = ["household_id", "need", "p_request", "p_need"]
    value_of = values(((day, read_table(path, columns)) for day, path in weeks), visits)
    shown = community.outreach.phase_in is not None and len(lots)
    table = outcomes_of_lots(workspace, lots, community, as_of) if shown else lots
    times = best_times(visit_counts(workspace, as_of))
    return lambda: [
        *value_lines(value_of),
        *(effect_lines(table) if shown and len(table) else []),
        *time_lines(times),
    ]


def training_is_due(workspace: Path, community: Community) -> bool:
    """Tell whether the newest look back's alarms ask for training, where ``retrain_on_alarm`` allows it."""
    if not community.retrain_on_alarm:
        return False
    models = read_models(workspace)
    return bool(models) and training_due(read_alarms(workspace), str(models[0]["as_of"]))


def _now_lines(
    workspace: Path, look_backs: list[LookBack], listed: pd.DataFrame, table: pd.DataFrame, groups: Groups
) -> list[str]:
    seen = [partition.seen for partition in look_backs]
    quality = quality_rows(listed, [partition.returned for partition in look_backs])
    week = joined_weeks([partition.feedback[language()] for partition in look_backs], quality)
    return [
        *freshness_lines(freshness(seen, look_backs[0].asked.as_of)),
        *set_aside_lines(workspace, _set_aside(workspace)),
        *outcome_lines(joined_outcomes(seen)),
        *group_lines(table, groups),
        *feedback_lines(week),
    ]


def _set_aside(workspace: Path) -> dict[str, tuple[int, int, date]]:
    with open_store(workspace, read_only=True) as connection:
        return rows_set_aside(connection)


def _unknown_needs(workspace: Path) -> dict[str, tuple[int, date]]:
    with open_store(workspace, read_only=True) as connection:
        return new_unknown_needs(connection)


def _past_weeks(workspace: Path, asked: PastRequests) -> pd.DataFrame:
    """Compute ``models.monitoring.monitor.past_week`` of every past week with scores.

    The added columns are as_of, and hindsight: whether the model that scored the week was trained on later data.
    """
    weeks, trained = [], {str(model["version"]): str(model["as_of"]) for model in read_models(workspace)}
    for path in sorted((workspace / WEEKS).glob(f"*/{SCORES}")):
        as_of, listed = date.fromisoformat(path.parent.name), path.with_name(OUTREACH)
        visits = read_table(listed, ["household_id", "need", "arm"]) if listed.is_file() else None
        week = past_week(asked, day_of(as_of), scored_pieces(path), visits)
        until = trained.get(scored_by(path), "") if len(week) else ""
        weeks.append(week.assign(as_of=as_of, hindsight=until > as_of.isoformat()))
    weeks = [week for week in weeks if len(week)]
    return pd.concat(weeks) if weeks else pd.DataFrame()


def _past_tables(workspace: Path, as_of: date) -> list[pd.DataFrame]:
    """Read the demand of every past week in which it was kept by month."""
    tables = []
    for path in sorted((workspace / WEEKS).glob(f"*/{DEMAND}")):
        texts = {"grid_id": str, "need": str, "span": str}
        # a grid may be called NA
        demand = pd.read_csv(path, encoding="utf-8-sig", dtype=texts, na_filter=False)
        if "span" in demand and path.parent.name < as_of.isoformat():
            tables.append(demand)
    return tables


def _spans(demands: list[pd.DataFrame], as_of: int) -> list[Span]:
    """Return the spans of past demand that ended before a day."""
    return sorted({span for table in demands for span in spans_told(table) if span[1] <= as_of})


def _past_demand(
    asked: PastRequests, look_backs: list[LookBack], demands: list[pd.DataFrame]
) -> pd.DataFrame:
    """Compute ``models.monitoring.monitor.past_demand`` of every past week."""
    came = AskingByGrid.joined([partition.came for partition in look_backs])
    checked = [past_demand(asked, came, week) for week in demands]
    return pd.concat(checked, ignore_index=True) if checked else pd.DataFrame()
