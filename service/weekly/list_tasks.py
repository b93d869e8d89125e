"""Make the week's lists of one partition in three tasks: survey, plan, write. Each can run in another process."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from features.blocks.build import Features, build, summarise
from features.blocks.groups import Groups, membership, without_members
from features.language import LANGUAGES, in_languages, language, speaking
from features.point_in_time.feedback import also_refusing
from features.point_in_time.records import Known, Records, Rows, known_before
from features.point_in_time.town import TownCounts
from features.rows.tables import positions_of
from features.store.partitions import Partitions
from models.demand.cells import expected_cells, named_cells
from models.demand.expected import pairs_of
from models.estimators.threads import working_beside
from models.evaluation.capacity import NEEDS_PER_VISIT
from models.evaluation.evaluate import resampled
from models.fairness.audit import listed_pairs
from models.fairness.shares import GroupSums, group_sums
from models.monitoring.reason_quality import Returned, returned
from models.monitoring.week_counts import WeekCounts, week_counts
from models.registry.champion import Champion
from models.scoring.score import Fitted, counts_of
from service.lists.reasons import reasons_in
from service.lists.visit_rows import describe
from service.planning.eligibility import eligible_pairs, left_out
from service.planning.planner import COLUMNS, Plan, Share, plan
from service.planning.seat_limits import enrolment
from service.planning.stability import days_unvisited, waiting
from service.planning.warned_visits import with_warnings
from service.planning.workers import visiting_everywhere, workers_of
from service.weekly.list_files import list_files, write_lists
from service.weekly.model_lines import list_notes
from service.weekly.score_cache import WeekScores


@dataclass(frozen=True)
class ListWeek:
    """What the tasks of a week have in common; ``alone``: what was known of the town, if it is one partition."""

    town: Partitions
    model: Champion
    as_of: date
    fitted: Fitted
    scores: WeekScores
    history: pd.DataFrame | None
    before: pd.DataFrame | None  # the list before
    language: str
    alone: Known | None = None
    warnings: pd.DataFrame | None = None  # of lists from above
    refused: frozenset[str] = frozenset()  # households that refused after the records were read

    @property
    def by_turn(self) -> bool:
        """Whether scores do not tell households apart, so that visits go round in turn."""
        return not self.model.model.tells_apart

    def known(self, number: int) -> Known:
        """Return what was known of a partition."""
        if self.alone is None:
            return self.known_of(self.town.read([number]))
        return also_refusing(self.alone, self.refused)

    def known_of(self, records: Records) -> Known:
        """What was known of a partition, from its records."""
        known = self.alone or known_before(records, self.fitted.town.as_of, self.fitted.town)
        return also_refusing(known, self.refused)

    def earlier(self, known: Known) -> pd.DataFrame | None:
        """Return the rows of the list before whose households live in this partition."""
        if self.before is None or len(self.town) == 1:
            return self.before
        return self.before[self.before["household_id"].isin(known.household_ids[known.present])]

    def features(self, planned: pd.DataFrame, known: Known) -> Features:
        """Return the features of the cohort where they are in memory, else build those of the listed pairs."""
        if self.scores.memory:
            return self.scores.memory.features
        schema = self.model.model.schema
        household = positions_of(planned["household_id"], known.household_ids)
        need = planned["need"].map(known.community.need_index()).to_numpy(dtype=np.int16)
        town = self.fitted.town if len(self.town) == 1 else summarise(known, schema, self.fitted.town)
        return build(known, Rows(household.astype(np.int32), need), schema, town)


@dataclass(frozen=True)
class Surveyed:
    """What must be known of each partition before a town of several partitions is planned."""

    counts: TownCounts
    p_need: np.ndarray  # float64 [2, needs]: sums and numbers of pairs
    worth: np.ndarray  # float64, falling: of the households that coordinators may visit
    everywhere: dict[str, int]  # visits of the coordinators of the whole town


def survey(week: ListWeek, number: int) -> Surveyed:
    """Survey the partition of a number."""
    known, scores = week.known(number), week.scores.scores(number)
    counts = counts_of(known)
    # the town's counts are not known yet: seats are those that this partition leaves
    known = replace(known, town=replace(week.fitted.town, counts=counts))
    needs = len(known.community.needs)
    need = positions_of(scores["need"], [need.id for need in known.community.needs])
    p_need = scores["p_need"].to_numpy()
    everywhere = visiting_everywhere(known)
    return Surveyed(
        counts=counts,
        p_need=np.stack([np.bincount(need, weight, needs) for weight in (p_need, np.ones(len(need)))]),
        worth=_worth(week, scores, known)[: sum(everywhere.values())],
        everywhere=everywhere,
    )


def _worth(week: ListWeek, scores: pd.DataFrame, known: Known) -> np.ndarray:
    """Compute what a coordinator's visit is worth: float64 [households with a sensitive need], falling."""
    out = left_out(known, enrolment(known, week.history).closed)
    pairs = eligible_pairs(scores, known, out)
    pairs = pairs[pairs["sensitive"]].sort_values("value", ascending=False, kind="stable")
    pairs = pairs[pairs.groupby("household").cumcount() < NEEDS_PER_VISIT]
    worth = pairs.groupby("household")["value"].sum()
    kept = waiting(week.earlier(known), known)[worth.index]
    if week.by_turn:
        return -np.sort(-(days_unvisited(known)[worth.index] + 0.5 * kept))
    return -np.sort(-(worth.to_numpy() * (1 + known.community.outreach.keep_bonus * kept)))


def plan_partition(week: ListWeek, item: tuple[int, Share | None]) -> Plan:
    """Plan a partition, which is given by its number and its share of what the whole town has."""
    number, share = item
    known = week.known(number)
    with speaking(week.language):
        return plan(
            week.scores.scores(number),
            known,
            history=week.history,
            before=week.earlier(known),
            share=share,
            by_turn=week.by_turn,
            warnings=week.warnings,
        )


@dataclass(frozen=True)
class Written:
    """A partition's lists as they were written."""

    visits: dict[str, pd.DataFrame]  # described, with reason_kinds, by language
    risk: pd.DataFrame  # of the households on them
    files: tuple[str, ...]
    links: dict[str, dict[str, str]]
    lines: list[str]
    sums: dict[str, GroupSums]
    groups: Groups  # without members
    workers: pd.DataFrame
    cells: pd.DataFrame  # ``named_cells``
    tiers: dict[tuple[str, str], int]  # households by grid and tier
    feedback: bool
    returned: Returned
    counts: WeekCounts


@dataclass(frozen=True)
class WritePartition:
    """The task of writing reasons, workbooks and pages of a partition, given by its number, plan and share."""

    week: ListWeek
    names: Mapping[str, str]  # of each grid's files
    places: tuple[Path, ...]  # directories to write them to

    def __call__(self, item: tuple[int, Plan, Share | None]) -> Written:
        """Write the files of a partition's grids."""
        with speaking(self.week.language), working_beside() as beside:
            number, planned, share = item
            week, records = self.week, self.week.town.read([number])
            known = week.known_of(records)
            scores, risk = week.scores.scores(number), week.scores.risk(number)
            audit = beside.submit(_audited, scores, planned.visits[list(COLUMNS)], known, number)
            features = week.features(planned.visits, known)
            worded = reasons_in(LANGUAGES, planned.visits, known, week.model, features)
            visits = in_languages(lambda: describe(with_warnings(worded[language()]), known, week.history))
            field = visits[language()][~visits[language()]["coordinator"]]
            files, links = list_files(
                field,
                self.names,
                known.community,
                week.as_of,
                list_notes(week.model, known.community),
                None,
                shown=len(week.town) == 1,
            )
            lines = [line for place in self.places for line in write_lists(place, files)]
            cells = expected_cells(known, *pairs_of(scores, known), week.fitted.shares)
            return Written(
                visits=visits,
                risk=risk[risk["household_id"].isin(planned.visits["household_id"])],
                files=tuple(files),
                links=links,
                lines=lines,
                sums=audit.result(),
                groups=without_members(membership(known)),
                workers=workers_of(known, share.everywhere if share else None).frame,
                cells=named_cells(cells, known.grid_ids),
                tiers=_tiers(risk, known),
                feedback=len(known.objections.feedback) > 0,
                returned=returned(records),
                counts=week_counts(known),
            )


def _audited(scores: pd.DataFrame, visits: pd.DataFrame, known: Known, number: int) -> dict[str, GroupSums]:
    """Compute the sums behind the ``group_shares`` of a week's list; draws of households differ between partitions."""
    audited = listed_pairs(scores, visits, known)
    if audited is None:
        return {}
    return group_sums(audited, membership(known).ids, resampled(known.household_count, seed=number))


def _tiers(risk: pd.DataFrame, known: Known) -> dict[tuple[str, str], int]:
    """Count households by grid and tier."""
    household = positions_of(risk["household_id"], known.household_ids)
    risk, household = risk[household >= 0], household[household >= 0]
    grid = known.grid_ids[known.grid[household]]
    return dict(Counter(zip(map(str, grid), map(str, risk["tier"]), strict=True)))
