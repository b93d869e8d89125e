"""The week's lists of a large town, part by part in little memory: the files of ``week.list_week``, and the same week
for the service but for live scores, which need the town in one piece.

Plans hold within their part; what parts share is in ``shares``. Kept parts are not made again after a kill.
"""

import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.atomic import write_atomically
from features.blocks.groups import GRID, Groups
from features.language import LANGUAGES, UserError, in_language, language, say
from features.point_in_time.records import day_of, known_before
from features.point_in_time.town import TownCounts, summed
from features.store.partitions import Parts
from features.store.reader import read_programme_history
from features.store.storage import get, keep_only, put
from models.demand.cells import span_shares
from models.demand.expected import demand_of_parts, own_windows
from models.demand.programmes import against_seats
from models.estimators.seasonal_level import course_of
from models.fairness.audit import WEEK as THIS_WEEK
from models.fairness.lines import group_lines
from models.fairness.shares import GroupSums, shares_table
from models.monitoring.reason_quality import Returned, returned
from models.registry.champion import Champion
from models.registry.registry import champion
from models.scoring.executors import here
from models.scoring.partitions import Scoring
from service.lists.feedback_week import FeedbackWeek, feedback_week, joined_weeks, quality_rows
from service.lists.pages import overview_page
from service.planning.partition_quotas import limits_by_part, visits_by_part
from service.planning.plan_summary import added_up
from service.planning.planner import COLUMNS, Plan, Share
from service.web.published.packing_parts import PackedParts, pack_parts
from service.web.published.publish import publish_files
from service.weekly.group_week import GROUPS
from service.weekly.large_town import score_large
from service.weekly.list_files import file_names, list_files, remove_others, write_lists
from service.weekly.list_week import (
    DROPPED,
    OUTREACH,
    SCORES,
    Stage,
    all_listed,
    keep_listed,
    list_before,
    summary,
    week_directory,
    write_table,
)
from service.weekly.model_lines import about
from service.weekly.partition_tasks import (
    Kept,
    Planning,
    Survey,
    Surveyed,
    Week,
    Writing,
    Written,
)

Each = Callable[[Kept, Sequence[int]], Iterable]  # as of ``models.scoring.executors``


def list_large(
    workspace: Path, parts: Parts, as_of: date, output: Path, stage: Stage, each: Each = here
) -> list[str]:
    """``list_week`` for a large town; ``each`` calls a task for each part (``models.scoring.executors``).

    Raises UserError where the settings ask for what only one piece can give.
    """
    if parts.community.outreach.parity is not None:
        raise UserError(
            say(
                "community.yaml：分片的大社区还不能用 outreach.parity，请去掉",
                "community.yaml: outreach.parity cannot be used for a large town in parts; leave it out",
            )
        )
    scoring, _ = score_large(workspace, parts, as_of, workspace / SCORES, stage)
    model = champion(workspace, parts.community)
    numbers = range(len(parts))
    with stage(say("汇总", "survey")):
        week = _week(workspace, scoring, as_of)
        surveys = list(each(Survey(week), numbers))
        counts = summed([one.counts for one in surveys])
    with stage(say("排名单", "plan")):
        planning, plans = _planned(week, surveys, counts, each)
    home = week_directory(workspace, as_of)
    places = tuple(dict.fromkeys([home.resolve(), output.resolve()]))
    with stage(say("写名单", "write the lists")):
        grids = sorted({grid for one in plans for grid in one.visits["grid_id"]})
        writing = Writing(week, model, planning, _begins(plans), file_names(grids), places)
        written = list(each(writing, numbers))
    with stage(say("合并", "put together")):
        visits = _joined(written)
        keep_listed(home, visits[[*COLUMNS, "reason_kinds"]])
        feedback = _feedback(workspace, week, surveys)
        gone = pd.concat([one.dropped for one in plans]).sort_values("household_id", ignore_index=True)
        homes = visits.assign(household=visits["household_id"])
        told = added_up(one.sums for one in plans).lines(parts.community, gone, homes, [])
        said = [*about(model, parts.community), *told]
        demand = _demand(scoring, surveys)
        files = _town_files(scoring, surveys, written, visits, demand, feedback[language()], said, as_of)
        lines = [line for one in written for line in one.lines]
        names = {*files, *(name for one in written for name in one.files)}
        for place in places:
            write_table(visits[list(COLUMNS)], place / OUTREACH)
            write_atomically(place / DROPPED, gone.to_csv(index=False).encode("utf-8-sig"))
            lines += [*remove_others(place, names), *write_lists(place, files)]
        lines += _group_lines(home, written)
    with stage(say("发布", "publish")):
        _publish(workspace, model, Survey(week), writing, surveys, written, demand, feedback)
    for kind in ("survey", "planning", "writing"):
        keep_only(parts.root, f"{kind}/as_of=*", {f"{kind}/{scoring.day}"})
    return [*said, *lines, summary(visits), say(f"名单在 {output}", f"lists are in {output}")]


def _week(workspace: Path, scoring: Scoring, as_of: date) -> Week:
    """What the tasks have in common; the town's course over the months is that of the sample."""
    parts, day = scoring.parts, day_of(as_of)
    place = f"{parts.root}/fitted/{scoring.day}/{scoring.key}-spans.pickle"
    held = get(place)
    if held is None:
        course = course_of(known_before(parts.read(parts.sample), day))
        held = pickle.dumps(span_shares(course, parts.community))
        put(place, held)
    history, before = read_programme_history(workspace, day), list_before(workspace, as_of)
    settings = parts.community.model_dump(mode="json")
    digest = blake2b(pickle.dumps((held, settings, version("xianying"))), digest_size=12)
    for frame in (history, before):
        content = b"" if frame is None else frame.to_csv(index=False).encode()
        digest.update(blake2b(content).digest())
    return Week(scoring, pickle.loads(held), history, before, language(), digest.hexdigest())


def _planned(
    week: Week, surveys: list[Surveyed], counts: TownCounts, each: Each
) -> tuple[Planning, list[Plan]]:
    """The plans of all parts, made again while seats are promised to more than they can take."""
    sums, pairs = np.sum([one.p_need for one in surveys], axis=0)
    usual = np.divide(sums, pairs, out=np.zeros(len(sums)), where=pairs > 0)
    visits = visits_by_part([one.worth for one in surveys], surveys[0].everywhere)
    limits: list[tuple] | None = [() for _ in surveys]
    while limits is not None:
        shares = [
            Share(number, usual, within, everywhere)
            for number, (within, everywhere) in enumerate(zip(limits, visits, strict=True))
        ]
        planning = Planning(week, shares, counts)
        plans = list(each(planning, range(len(surveys))))
        limits = limits_by_part(plans[0].seats, [one.takers for one in plans], limits)
    _require_visits(plans)
    return planning, plans


def _require_visits(plans: list[Plan]) -> None:
    if not any(len(one.visits) for one in plans):
        raise UserError(
            say(
                "没有可安排的走访：请检查 workers 的 weekly_visits 和 community.yaml 的 visits_per_worker",
                "there are no visits to plan: see weekly_visits of workers, and visits_per_worker in community.yaml",
            )
        )


def _begins(plans: list[Plan]) -> list[dict[str, int]]:
    """Of each part, how many visits each coordinator makes in the parts before."""
    made: Counter[str] = Counter()
    found = []
    for one in plans:
        found.append(dict(made))
        homes = one.visits[one.visits["coordinator"]].drop_duplicates("household_id")
        made.update(homes["worker_id"])
    return found


def _joined(written: list[Written]) -> pd.DataFrame:
    """The rows of all parts in the order of the lists, with numbers of workers that hold for the town."""
    visits = pd.concat([one.visits.assign(part=part) for part, one in enumerate(written)], ignore_index=True)
    coordinator = visits["coordinator"]  # they may have visits in several parts
    keys = [visits[one].mask(coordinator, -1) for one in ("part", "worker")]
    visits["worker"] = visits.groupby([*keys, visits["worker_id"]], sort=False).ngroup()
    grid = visits["grid_id"].where(~visits["coordinator"], "")
    order = (
        visits.assign(grid=grid)
        .sort_values(["coordinator", "grid", "worker", "visit_order"], kind="stable")
        .index
    )
    return visits.loc[order].drop(columns="part").reset_index(drop=True)


def _demand(scoring: Scoring, surveys: list[Surveyed]) -> pd.DataFrame:
    """``expected_demand`` of the town."""
    cells, model = [one.cells for one in surveys], scoring.model
    return own_windows(demand_of_parts(cells, scoring.parts.community, model.spread))


def _feedback(workspace: Path, week: Week, surveys: list[Surveyed]) -> dict[str, FeedbackWeek]:
    """The week's feedback in each language; of a household that moved, in the part where it lives at the date."""
    listed, as_of = all_listed(workspace), day_of(week.as_of)
    found: dict[str, list[FeedbackWeek]] = {one: [] for one in LANGUAGES}
    back: list[Returned] = []
    for number in [number for number, one in enumerate(surveys) if one.feedback] or [0]:
        records = week.scoring.parts.own(number, as_of)
        known = known_before(records, as_of)
        own = listed[listed["household_id"].isin(known.household_ids)]
        back.append(returned(records))
        for one in LANGUAGES:
            found[one].append(in_language(one, feedback_week, known, own, back[-1]))

    def joined(weeks: list[FeedbackWeek]) -> FeedbackWeek:
        return joined_weeks(weeks, quality_rows(listed, back))

    return {one: in_language(one, joined, weeks) for one, weeks in found.items()}


def _town_files(
    scoring: Scoring,
    surveys: list[Surveyed],
    written: list[Written],
    visits: pd.DataFrame,
    demand: pd.DataFrame,
    feedback: FeedbackWeek,
    said: list[str],
    as_of: date,
) -> dict[str, bytes]:
    """The coordinators' lists and the overview."""
    community, corrected = scoring.parts.community, scoring.model.visited is not None
    files, links = list_files(visits[visits["coordinator"]], {}, community, as_of, corrected, feedback)
    for one in written:
        links.update(one.links)
    counts = [(grid, tier, count) for one in surveys for (grid, tier), count in one.tiers.items()]
    tiers = pd.DataFrame(counts, columns=["grid_id", "tier", "count"])
    tiers = tiers.loc[tiers.index.repeat(tiers["count"]), ["grid_id", "tier"]]
    seats = against_seats(demand, community, day_of(as_of))
    page = overview_page(community, visits, tiers, demand, seats, links, said, as_of, feedback)
    return {**files, "overview.html": page.encode()}


def _group_lines(home: Path, written: list[Written]) -> list[str]:
    """``group_week.list_lines``; of grids, which are many, the table only."""
    sums: dict[str, GroupSums] = {}
    names: dict[str, Any] = {}
    left_out: dict[str, None] = {}
    for one in written:
        names.update(zip(one.groups.ids, one.groups.names, strict=True))
        left_out.update(dict.fromkeys(one.groups.left_out))
        for group, own in one.sums.items():
            sums[group] = sums[group] + own if group in sums else own
    if not sums:
        return []
    table = shares_table(sums, THIS_WEEK)
    write_atomically(home / GROUPS, table.to_csv(index=False).encode("utf-8-sig"))
    told = table[~table["group"].str.startswith(f"{GRID}=")]
    groups = Groups(
        tuple(names), tuple(names.values()), np.zeros((0, len(names)), dtype=bool), tuple(left_out)
    )
    return [*group_lines(told, groups), say(f"各网格见 {home / GROUPS}", f"by grid: {home / GROUPS}")]


def _publish(
    workspace: Path,
    model: Champion,
    survey: Survey,
    writing: Writing,
    surveys: list[Surveyed],
    written: list[Written],
    demand: pd.DataFrame,
    feedback: dict[str, FeedbackWeek],
) -> None:
    """Switch the service to the week."""
    week, numbers = survey.week, range(len(surveys))

    def contents() -> Iterator[tuple[bytes, dict[str, list[Any]]]]:
        for number in numbers:
            held = survey.read(number)
            yield held.content, held.places

    workers = pd.concat([one.workers for one in written], ignore_index=True)
    named = workers["worker_id"] != ""
    visits = workers["visits"].groupby(workers["worker_id"]).transform("sum")
    workers = workers.assign(visits=visits.where(named & _everywhere(workers, surveys), workers["visits"]))
    packed = PackedParts(
        as_of=week.scoring.fitted.town.as_of,
        community=week.scoring.parts.community,
        contents=contents,
        rows=lambda: (writing.read(number).rows for number in numbers),
        demand=demand,
        areas=[row for one in surveys for row in one.areas],
        workers=workers[~workers["worker_id"].duplicated() | ~named],
        feedback=feedback,
    )
    publish_files(
        workspace,
        week.as_of.isoformat(),
        lambda place, before: pack_parts(place, before, workspace, model, packed),
    )


def _everywhere(workers: pd.DataFrame, surveys: list[Surveyed]) -> pd.Series:
    return workers["worker_id"].isin(surveys[0].everywhere) & workers["coordinator"]
