"""The week's lists of a part of a large town, in three tasks: survey, plan, write. Each can run in another process.

What a task gives is kept in a file named by a hash of all that it was made from: after a kill it is not made again.
"""

import pickle
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date
from hashlib import blake2b
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd

from features.blocks.build import Features, build, summarise
from features.blocks.groups import Groups, membership
from features.blocks.seasons import asking_last_year
from features.language import LANGUAGES, in_language, language, speaking
from features.point_in_time.records import Known, Rows, Versions, date_of, known_before, positions_of, rows_at
from features.point_in_time.town import TownCounts
from features.store.storage import get, get_table, keep_only, put
from models.demand.cells import expected_cells, named_cells
from models.demand.expected import pairs_of
from models.demand.seats import claimed
from models.evaluation.evaluate import resampled
from models.fairness.audit import listed_pairs
from models.fairness.shares import GroupSums, group_sums
from models.registry.champion import Champion
from models.scoring.explain import asking_within_a_year
from models.scoring.partitions import Scoring
from models.scoring.score import TIERS
from service.lists.reasons import reasons_in
from service.lists.visit_rows import describe
from service.planning.eligibility import eligible_pairs, left_out
from service.planning.options import NEEDS_PER_VISIT
from service.planning.planner import COLUMNS, Plan, Share, plan
from service.planning.seat_limits import enrolment, found
from service.planning.stability import waiting
from service.planning.workers import visiting_everywhere, workers_of
from service.web.published.packing import answers, areas, as_json, visit_rows
from service.weekly.list_files import list_files, write_lists

Made = TypeVar("Made")


@dataclass(frozen=True)
class Week:
    """What the tasks of a week have in common."""

    scoring: Scoring
    shares: np.ndarray  # ``demand_cells.span_shares`` of the town
    history: pd.DataFrame | None
    before: pd.DataFrame | None  # the list before
    language: str
    key: str  # of all that, but for the scoring's

    @property
    def as_of(self) -> date:
        """The as-of date."""
        return date_of(self.scoring.fitted.town.as_of)

    def known(self, number: int, counts: TownCounts | None = None) -> Known:
        """Read what was known of a part; ``counts``: of the whole town, where reasons or seats are asked for."""
        town = replace(self.scoring.fitted.town, counts=counts)
        return known_before(self.scoring.parts.read([number]), town.as_of, town)

    def table(self, kind: str, number: int) -> pd.DataFrame:
        """A part's ``scores`` or ``risk``."""
        return get_table(self.scoring.place(kind, number)).to_pandas()

    def compared(self, number: int) -> str:
        """A hash of the ranks and tiers of a part's households."""
        held = get_table(self.scoring.place("scores", number)), get_table(self.scoring.place("risk", number))
        tier = pd.Categorical(held[1]["tier"].to_numpy(), list(TIERS)).codes
        return blake2b(held[0]["rank"].to_numpy().tobytes() + tier.tobytes(), digest_size=12).hexdigest()

    def earlier(self, known: Known) -> pd.DataFrame | None:
        """The rows of the list before whose households live in this part."""
        if self.before is None:
            return None
        here = known.household_ids[known.present]
        return self.before[self.before["household_id"].isin(here)]


@dataclass(frozen=True)
class Kept(Generic[Made]):
    """A task whose result is kept below the parts' root; it is called with a part's number."""

    week: Week

    def __call__(self, number: int) -> Made:
        """What was made before from the same, else what is made now, without what only ``read`` gives."""
        root, place = self.week.scoring.parts.root, self.place(number)
        held = get(f"{root}/{place}")
        made = pickle.loads(held) if held else None
        if made is None or not self.whole(made):
            with speaking(self.week.language):
                made = self.make(number)
            put(f"{root}/{place}", pickle.dumps(made))
            keep_only(root, f"{place.rsplit('/', 1)[0]}/*", {place})
        return self.light(made)

    def read(self, number: int) -> Made:
        """All that a call made."""
        held = get(f"{self.week.scoring.parts.root}/{self.place(number)}")
        assert held is not None
        return pickle.loads(held)

    def place(self, number: int) -> str:
        """The file of a part's result, below the parts' root."""
        week, kind = self.week, type(self).__name__.lower()
        digest = blake2b(digest_size=12)
        digest.update(f"{week.key} {week.language} {week.scoring.key_of(number)} ".encode())
        digest.update(pickle.dumps(self.given(number)))
        return f"{kind}/{week.scoring.day}/part={number:04d}/{digest.hexdigest()}.pickle"

    def given(self, number: int) -> Any:
        """What else the result depends on."""
        return None

    def whole(self, made: Made) -> bool:
        """Whether everything that was made is still there."""
        return True

    def light(self, made: Made) -> Made:
        """The result without what is too much to be held of all parts at once."""
        return made

    def make(self, number: int) -> Made:
        """The result for a part."""
        raise NotImplementedError


@dataclass(frozen=True)
class Surveyed:
    """What the whole town needs to know of a part before anything is planned."""

    counts: TownCounts  # of the households that live here
    p_need: np.ndarray  # float64 [2, needs]: sums and numbers of pairs
    cells: pd.DataFrame  # ``named_cells``
    tiers: dict[tuple[str, str], int]  # households by grid and tier
    areas: list[dict[Any, Any]]
    content: bytes  # answers of all households
    places: dict[str, list[Any]]  # where each stands in it
    worth: np.ndarray  # of the households that coordinators may visit, the best first
    everywhere: dict[str, int]  # visits of the coordinators of the whole town
    grids: tuple[str, ...]
    feedback: bool


class Survey(Kept[Surveyed]):
    """Counts for the whole town, and the answers of a part's households."""

    def given(self, number: int) -> Any:
        """Ranks and tiers, which compare all households of the town."""
        return self.week.compared(number)

    def light(self, made: Surveyed) -> Surveyed:
        """Without the answers."""
        return replace(made, content=b"", places={})

    def make(self, number: int) -> Surveyed:
        """The survey of a part."""
        week = self.week
        known, scores, risk = week.known(number), week.table("scores", number), week.table("risk", number)
        counts = _counts(known)
        # the town's counts are not known yet: seats are those that this part leaves
        known = replace(known, town=replace(week.scoring.fitted.town, counts=counts))
        content, places = _answers(scores, risk, known, week.scoring.model.visited is not None)
        grid = known.grid_ids[known.grid[known.present]]
        tiers = Counter(zip(map(str, grid), map(str, risk["tier"]), strict=True))
        needs = len(known.community.needs)
        need = positions_of(scores["need"], [one.id for one in known.community.needs])
        p_need = scores["p_need"].to_numpy()
        everywhere = visiting_everywhere(known)
        return Surveyed(
            counts=counts,
            p_need=np.stack([np.bincount(need, one, needs) for one in (p_need, np.ones(len(need)))]),
            cells=named_cells(expected_cells(known, *pairs_of(scores, known), week.shares), known.grid_ids),
            tiers=dict(tiers),
            areas=areas(scores, risk, known),
            content=content,
            places=places,
            worth=_worth(week, scores, known)[: sum(everywhere.values())],
            everywhere=everywhere,
            grids=tuple(map(str, np.unique(grid))),
            feedback=len(known.objections.feedback) > 0,
        )


def _answers(
    scores: pd.DataFrame, risk: pd.DataFrame, known: Known, corrected: bool
) -> tuple[bytes, dict[str, list[Any]]]:
    pieces, places, offset = [], {}, 0
    for household, where, without, whole in answers(scores, risk, known, corrected):
        middle = offset + len(without)
        places[household] = [*where, offset, middle, middle + len(whole)]
        offset = middle + len(whole)
        pieces.append(without + whole)
    return b"".join(pieces), places


def _counts(known: Known) -> TownCounts:
    """Count the households that live here; the counts of the parts add up to the town's."""

    def here(rows: Any) -> Any:
        return rows_at(rows, np.flatnonzero(known.present[rows.household]))

    tables = {
        name: here(getattr(known, name))
        for name in ("requests", "outreach")
        if isinstance(getattr(known, name), Versions)
    }
    own = replace(known, **tables, town=None)
    programmes = known.community.programmes
    return TownCounts(
        asking_last_year=asking_last_year(own),
        asking_within_a_year=asking_within_a_year(own),
        claimed={one.id: claimed(one, own) for one in programmes},
        found={one.id: found(one, own) for one in programmes},
    )


def _worth(week: Week, scores: pd.DataFrame, known: Known) -> np.ndarray:
    """float64, falling: what a coordinator's visit to each household is worth."""
    out = left_out(known, enrolment(known, week.history).closed)
    pairs = eligible_pairs(scores, known, out)
    pairs = pairs[pairs["sensitive"]].sort_values("value", ascending=False, kind="stable")
    pairs = pairs[pairs.groupby("household").cumcount() < NEEDS_PER_VISIT]
    worth = pairs.groupby("household")["value"].sum()
    bonus = known.community.outreach.keep_bonus * waiting(week.earlier(known), known)[worth.index]
    return -np.sort(-(worth.to_numpy() * (1 + bonus)))


@dataclass(frozen=True)
class Planning(Kept[Plan]):
    """The plan of a part."""

    shares: list[Share]
    counts: TownCounts

    def given(self, number: int) -> Any:
        """The part's share of the town, and the town's numbers."""
        return self.shares[number], self.counts

    def make(self, number: int) -> Plan:
        """The plan of a part."""
        week = self.week
        known = week.known(number, self.counts)
        scores, before = week.table("scores", number), week.earlier(known)
        return plan(scores, known, history=week.history, before=before, share=self.shares[number])


@dataclass(frozen=True)
class Written:
    """A part's lists as they were written."""

    visits: pd.DataFrame  # described, in the language in force, with reason_kinds
    rows: bytes  # the rows of the service's pages, as JSON
    files: tuple[str, ...]
    links: dict[str, dict[str, str]]
    lines: list[str]
    sums: dict[str, GroupSums]
    groups: Groups  # without members
    workers: pd.DataFrame


@dataclass(frozen=True)
class Writing(Kept[Written]):
    """Reasons, workbooks and pages of a part."""

    champion: Champion
    planning: Planning
    begins: list[dict[str, int]]  # visits that coordinators of the whole town make in the parts before
    names: dict[str, str]  # of each grid's files
    places: tuple[Path, ...]  # directories to write them to

    def given(self, number: int) -> Any:
        """The part's plan, the town's numbers, and where files go."""
        names = [self.names.get(grid) for grid in self.week.scoring.parts.parts[number].grids]
        place = self.planning.place(number)
        return place, self.begins[number], names, self.places, self.week.compared(number)

    def light(self, made: Written) -> Written:
        """Without the pages' rows."""
        return replace(made, rows=b"")

    def whole(self, made: Written) -> bool:
        """Whether all files are there."""
        return all((place / name).is_file() for place in self.places for name in made.files)

    def make(self, number: int) -> Written:
        """Write the files of a part's grids."""
        week, planned = self.week, self._numbered(number)
        known = week.known(number, self.planning.counts)
        scores, risk = week.table("scores", number), week.table("risk", number)
        worded = reasons_in(LANGUAGES, planned, known, self.champion, self._features(planned, known))
        described = {one: in_language(one, describe, worded[one], known, week.history) for one in LANGUAGES}
        visits = described[language()]
        corrected = week.scoring.model.visited is not None
        field = visits[~visits["coordinator"]]
        files, links = list_files(field, self.names, known.community, week.as_of, corrected, None)
        lines = [line for place in self.places for line in write_lists(place, files)]
        audited, groups = listed_pairs(scores, visits[list(COLUMNS)], known), membership(known)
        draws = resampled(known.household_count, seed=number)
        return Written(
            visits=visits,
            rows=as_json(visit_rows(described, risk)),
            files=tuple(files),
            links=links,
            lines=lines,
            sums=group_sums(audited, groups.ids, draws) if audited else {},
            groups=replace(groups, member=groups.member[:0]),
            workers=workers_of(known, self.planning.shares[number].everywhere).frame,
        )

    def _features(self, planned: pd.DataFrame, known: Known) -> Features:
        """Features of the listed pairs, with what was fitted on the whole town."""
        schema = self.week.scoring.model.schema
        household = positions_of(planned["household_id"], known.household_ids)
        need = planned["need"].map(known.community.need_index()).to_numpy(dtype=np.int16)
        town = summarise(known, schema, self.week.scoring.fitted.town)
        return build(known, Rows(household.astype(np.int32), need), schema, town)

    def _numbered(self, number: int) -> pd.DataFrame:
        """The planned visits; those of a coordinator of the whole town are counted on from part to part."""
        visits = self.planning.read(number).visits
        begin = visits["worker_id"].map(self.begins[number]).where(visits["coordinator"]).fillna(0)
        return visits.assign(visit_order=visits["visit_order"] + begin.astype("int64"))
