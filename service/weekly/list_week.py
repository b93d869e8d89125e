"""Make the week's lists: plan and write them partition by partition, put them together, and publish them."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd

from features.atomic import write_atomically
from features.blocks.groups import Groups, joined_groups
from features.language import LANGUAGES, UserError, in_languages, language, say, say_line
from features.mapping.kept_rows import read_warnings
from features.point_in_time.feedback import also_refusing
from features.point_in_time.records import day_of, known_before
from features.store.partitions import Partitions
from features.store.reader import read_programme_history
from models.demand.expected import demand_of_partitions, own_windows
from models.demand.programmes import against_seats
from models.demand.seats import all_seats_left
from models.fairness.audit import WEEK_LIST
from models.fairness.lines import group_lines, less_lines
from models.fairness.shares import COLUMNS as SHARES
from models.fairness.shares import GroupSums, shares_table
from models.monitoring.week_counts import joined_counts
from models.registry.champion import Champion
from models.registry.registry import champion
from models.scoring.executors import Each, local
from models.scoring.score import fit
from service.brief.brief import LISTED, Brief, brief_of, keep_brief
from service.console.terminal import Stage
from service.lists.feedback_week import FeedbackWeek, feedback_week, joined_weeks, quality_rows
from service.lists.pages import overview_page
from service.planning.plan_summary import added_up, plan_lines
from service.planning.planner import COLUMNS, Plan, Share
from service.planning.workers import visiting_everywhere
from service.web.hooks.outbox import tell
from service.web.hooks.subscribers import WEEK
from service.web.published.from_records import publish_from_records
from service.web.published.packing import Listed
from service.web.published.provenance import note_made
from service.web.published.publish import RefusedError, publish, require_willing
from service.weekly.list_files import file_names, list_files, remove_others, write_lists
from service.weekly.list_tasks import ListWeek, WritePartition, Written
from service.weekly.model_lines import about, list_notes
from service.weekly.plan_town import joined_plan_groups, plan_town
from service.weekly.score_cache import WeekScores, current_scores, scored_week
from service.weekly.week_directory import (
    BEFORE_LIST,
    DROPPED,
    OUTREACH,
    WARNED_LIST,
    all_listed,
    keep_input,
    keep_listed,
    keep_lots,
    list_before,
    week_directory,
    write_table,
)

GROUPS = "groups.csv"


def list_week(
    workspace: Path, town: Partitions, as_of: date, output: Path, stage: Stage, each: Each = local
) -> list[str]:
    """Make the week's lists in the workspace and, where that is elsewhere, in ``output``; return lines on them.

    Scores that are not fresh are made and published first. ``stage`` shows each step; ``each`` calls a task for every
    partition (``models.scoring.executors``). Raises UserError when no visit can be planned, or when the parity of the
    settings cannot be met. Where a household refuses meanwhile, the lists are made again without it.
    """
    week = _week(workspace, town, as_of, stage, each)
    places = tuple(dict.fromkeys([week_directory(workspace, as_of).resolve(), output.resolve()]))
    renamed: list[str] = []
    while True:
        with stage(say("排名单", "plan")):
            week, plans, shares = plan_town(week, each)
        try:
            written = _write(week, plans, shares, places, stage, each)
            renamed += [line for partition in written for line in partition.lines]
            lines = _put_together(workspace, week, plans, written, places, stage, each)
        except UserError as error:  # nobody may print what is not published
            renamed += [line for place in places if place.is_dir() for line in remove_others(place, ())]
            if not isinstance(error, RefusedError) or error.households <= week.refused:
                raise
            week = replace(week, refused=week.refused | error.households)
            continue
        where = say(f"名单在 {output}", f"lists are in {output}")
        return [*refused_lines(week.refused), *lines[:-1], *renamed, lines[-1], where]


def refused_lines(households: Collection[str]) -> list[str]:
    """Write how many households refused while their list was made; no line where none did."""
    count = len(households)
    return say_line(
        f"排名单时有 {count} 户谢绝，已从名单上去掉",
        f"{count} households refused while the lists were made; they are not on them",
    ) * bool(count)


def _write(
    week: ListWeek,
    plans: Sequence[Plan],
    shares: Sequence[Share | None],
    places: tuple[Path, ...],
    stage: Stage,
    each: Each,
) -> list[Written]:
    """Write the workbooks and pages of every partition's grids into the directories ``places``."""
    with stage(say("写名单", "write the lists")):
        field = pd.concat([plan.visits.loc[~plan.visits["coordinator"], "grid_id"] for plan in plans])
        task = WritePartition(week, file_names(sorted(field.unique())), places)
        return list(each(task, list(zip(range(len(plans)), plans, shares, strict=True))))


def _put_together(
    workspace: Path,
    week: ListWeek,
    plans: Sequence[Plan],
    written: Sequence[Written],
    places: Sequence[Path],
    stage: Stage,
    each: Each,
) -> list[str]:
    """Write what is of the whole town and publish the lists; return lines on them, the sum of visits last.

    ``places``: the workspace's directory of the week first. Raises RefusedError as ``publish`` does.
    """
    as_of, town, home = week.as_of, week.town, places[0]
    with stage(say("合并", "put together")):
        visits = {
            language: joined_visits([part.visits[language] for part in written]) for language in LANGUAGES
        }
        require_willing(workspace, as_of, visits[language()]["household_id"])  # before it counts as listed
        keep_listed(home, visits[language()][[*COLUMNS, "reason_kinds"]])
        feedback = _feedback(workspace, week, written)
        lines = _town_files(week, plans, written, visits[language()], feedback[language()], places)
        table, groups = group_table(home, written)
        lines += group_lines(table, groups)
        brief = _brief(workspace, week, written)
        brief["agreed"] = len(feedback[language()].agreed)
        brief["left_out"] = in_languages(less_lines, table, groups)
        keep_brief(home, brief)
        keep_input(home / BEFORE_LIST, week.before)
        keep_input(home / WARNED_LIST, week.warnings)
        keep_lots(home, [plan.lots for plan in plans])
        note_made(home, week.model, town.community, (OUTREACH, DROPPED, GROUPS))
    with stage(say("发布", "publish")):
        _publish(workspace, week, visits, written, feedback, brief, each)
    counts = {"households": visits[language()]["household_id"].nunique(), "visits": len(visits[language()])}
    tell(workspace, WEEK, {"as_of": as_of.isoformat(), "model_version": str(week.model.version), **counts})
    return [*lines, summary(visits[language()])]


def _week(workspace: Path, town: Partitions, as_of: date, stage: Stage, each: Each) -> ListWeek:
    """Return what the tasks have in common, with scores that are kept or made now."""
    with stage(say("读取模型", "load the champion")):
        model = champion(workspace, town.community)
    scores = current_scores(workspace, town, as_of, model, stage, each)
    history, before = read_programme_history(workspace, day_of(as_of)), list_before(workspace, as_of)
    warnings = read_warnings(workspace)
    return list_inputs(
        town, model, as_of, scores, history, before, stage, warnings if len(warnings) else None
    )


def list_inputs(
    town: Partitions,
    model: Champion,
    as_of: date,
    scores: WeekScores,
    history: pd.DataFrame | None,
    before: pd.DataFrame | None,
    stage: Stage,
    warnings: pd.DataFrame | None = None,
) -> ListWeek:
    """Return what the tasks of a week have in common.

    ``town``: the records. ``model``: by which the week was scored. ``as_of``: the week's date. ``scores``: its tables.
    ``history``: of the programmes, as known then. ``before``: the list before, if there is one.
    ``warnings``: of lists from above, if there are any.
    """
    memory = scores.memory
    if memory:
        known, fitted = memory.known, memory.town_scores.fitted
    else:
        with stage(say("全社区概要", "tables of the whole town")):
            known = known_before(town.read(town.sample), day_of(as_of))
            fitted = fit(known, model.model)
    alone = known if len(town) == 1 else None
    return ListWeek(
        *(town, model, as_of, fitted, scores, history, before, language()), alone=alone, warnings=warnings
    )


def joined_visits(partitions: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put the rows of all partitions into the order of the lists.

    Lists and orders of visit are numbered anew for the whole town: a coordinator may have visits in several partitions.
    """
    if len(partitions) == 1:
        return partitions[0]
    visits = pd.concat([plan.assign(number=at) for at, plan in enumerate(partitions)], ignore_index=True)
    keys = [visits[name].mask(visits["coordinator"], -1) for name in ("number", "worker")]
    visits["worker"] = visits.groupby([*keys, visits["worker_id"]]).ngroup()
    visits = visits.sort_values(["coordinator", "grid_id", "worker"], kind="stable", ignore_index=True)
    first = ~visits.duplicated("household_id")
    visits["visit_order"] = first.groupby(visits["worker"]).cumsum().astype("int64")
    return visits.drop(columns="number")


def _feedback(workspace: Path, week: ListWeek, written: Sequence[Written]) -> dict[str, FeedbackWeek]:
    """Collect the week's feedback in each language; a household that moved counts where it lives at the as-of date."""
    listed, day = all_listed(workspace), day_of(week.as_of)
    back, weeks = [partition.returned for partition in written], []
    for number in [number for number, partition in enumerate(written) if partition.feedback] or [0]:
        known = also_refusing(week.alone or known_before(week.town.own(number, day), day), week.refused)
        of_partition = listed[listed["household_id"].isin(known.household_ids)]
        weeks.append(in_languages(feedback_week, known, of_partition, back[number]))
    return in_languages(
        lambda: joined_weeks([of_languages[language()] for of_languages in weeks], quality_rows(listed, back))
    )


def _town_files(
    week: ListWeek,
    plans: Sequence[Plan],
    written: Sequence[Written],
    visits: pd.DataFrame,
    feedback: FeedbackWeek,
    places: Sequence[Path],
) -> list[str]:
    """Write the tables, the coordinators' lists and the overview; return lines on the plan and on renamed workbooks."""
    community, as_of = week.town.community, week.as_of
    gone = _dropped(plans)
    sums = added_up(plan.sums for plan in plans)
    planned = plan_lines(sums, community, gone, visits, joined_plan_groups(plans))
    about_plan = [*about(week.model, community), *planned, *([] if sums.by_turn else [sums.optimality()])]
    notes = list_notes(week.model, community)
    files, links = list_files(visits[visits["coordinator"]], {}, community, as_of, notes, feedback)
    for partition in written:
        links.update(partition.links)
    demand = own_windows(
        demand_of_partitions([partition.cells for partition in written], community, week.model.model.spread)
    )
    seats = against_seats(demand, community, day_of(as_of), _seats_left(week))
    tiers = _tiers(written)
    page = overview_page(community, visits, tiers, demand, seats, links, [*notes, *planned], as_of, feedback)
    files["overview.html"] = page.encode()
    lines: list[str] = []
    names = {*files, *(name for partition in written for name in partition.files)}
    for place in places:
        write_list_tables(place, visits, plans)
        lines += [*remove_others(place, names), *write_lists(place, files)]
    return [*about_plan, *lines]


def _seats_left(week: ListWeek) -> dict[str, int | None]:
    """Seats left of each programme, in the whole town."""
    return all_seats_left(week.known(0), week.history)


def _tiers(written: Sequence[Written]) -> pd.DataFrame:
    """Return a table with the columns grid_id and tier, and a row for each household; empty where all are green."""
    counts = [(grid, tier, count) for partition in written for (grid, tier), count in partition.tiers.items()]
    if all(tier == "green" for _, tier, _ in counts):
        counts = []
    table = pd.DataFrame(counts, columns=["grid_id", "tier", "count"])
    return table.loc[table.index.repeat(table["count"]), ["grid_id", "tier"]]


def write_list_tables(place: Path, visits: pd.DataFrame, plans: Sequence[Plan]) -> None:
    """Write the table of the visits, and that of the households that are no longer listed, into a directory.

    ``visits``: described visits of the whole town. ``plans``: of every partition.
    """
    write_table(visits[list(COLUMNS)], place / OUTREACH)
    write_atomically(place / DROPPED, _dropped(plans).to_csv(index=False).encode("utf-8-sig"))


def _dropped(plans: Sequence[Plan]) -> pd.DataFrame:
    return pd.concat([plan.dropped for plan in plans]).sort_values("household_id", ignore_index=True)


def _brief(workspace: Path, week: ListWeek, written: Sequence[Written]) -> Brief:
    """Put together what the coordinator's page says of the weeks up to this one."""
    workers = pd.concat([partition.workers for partition in written], ignore_index=True)
    counts = joined_counts([partition.counts for partition in written])
    listed = all_listed(workspace, list(LISTED))
    return brief_of(counts, week.before, listed, workers, day_of(week.as_of), week.town.community)


def group_table(home: Path, written: Sequence[Written]) -> tuple[pd.DataFrame, Groups]:
    """Write the shares of all groups to groups.csv in a directory; return them with the groups."""
    groups = joined_groups([partition.groups for partition in written])
    sums: dict[str, GroupSums] = {}
    for partition in written:
        for group, group_sums in partition.sums.items():
            sums[group] = sums[group] + group_sums if group in sums else group_sums
    order = [
        *(group for group in sums if group not in groups.ids),
        *(group for group in groups.ids if group in sums),
    ]
    table = (
        shares_table({group: sums[group] for group in order}, WEEK_LIST)
        if sums
        else pd.DataFrame(columns=list(SHARES))
    )
    write_atomically(home / GROUPS, table.to_csv(index=False).encode("utf-8-sig"))
    return table, groups


def _publish(
    workspace: Path,
    week: ListWeek,
    visits: dict[str, pd.DataFrame],
    written: Sequence[Written],
    feedback: dict[str, FeedbackWeek],
    brief: Brief,
    each: Each,
) -> None:
    """Switch the service to the lists."""
    workers = pd.concat([partition.workers for partition in written], ignore_index=True)
    if len(written) > 1:
        shared = workers["worker_id"].isin(visiting_everywhere(week.known(0))) & workers["coordinator"]
        made = workers["visits"].groupby(workers["worker_id"]).transform("sum")
        named = workers["worker_id"] != ""
        workers = workers.assign(visits=made.where(named & shared, workers["visits"]))
        workers = workers[~workers["worker_id"].duplicated() | ~named]
    risk = pd.concat([partition.risk for partition in written], ignore_index=True)
    scored = scored_week(week.town, week.as_of, week.scores, week.fitted.shares, week.model, each)
    publish(workspace, scored, listed=Listed(visits, risk, feedback, workers, _seats_left(week), brief))
    publish_from_records(workspace)


def summary(visits: pd.DataFrame) -> str:
    """Write how many households and needs are listed, and how many households were drawn at random."""
    homes = visits.drop_duplicates("household_id")
    drawn = int((homes["arm"] == "random").sum())
    return say(
        f"这周走访 {len(homes)} 户，要问 {len(visits)} 件事，其中抽签 {drawn} 户",
        f"{len(homes)} households, {len(visits)} needs; {drawn} households drawn by lot",
    )
