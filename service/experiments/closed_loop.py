"""A year in which the product works on its own lists: lists, visits, outcomes, retrains, in a town that reacts.

One run is one policy in one town (a seed). Every Monday the office's new rows go through ``ingest``, lists are
made by the functions behind the commands, visits happen in the simulated town, and their outcomes come back
with the next export. A retrained model passes the command's gate before it is used. Left out is what takes time and
changes neither models nor visits: MLflow's runs and figures and, unless wanted, the lists on paper.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from features.contract.community import Community
from features.ingest.ingest import ingest
from features.language import say
from features.point_in_time.records import Known, Records, day_of, known_before
from features.simulation.exports import Exports
from features.simulation.office import Office, Planned
from features.simulation.simulate import make_town
from features.simulation.town import Town
from features.simulation.truth import groups, need_now
from features.store.reader import read_records
from models.dataset.feedback_correction import without_targeted
from models.registry.champion import NoChampion, download_place, install_copy
from models.registry.registry import champion
from models.registry.tracking import registry_address
from models.report.card import decide
from models.scoring.model import NeedModel
from models.scoring.score import score
from models.training.retrain import Retraining, retrain
from service.experiments.loop_measures import expected_of_list, happened
from service.experiments.loop_policies import MODELLED, PRODUCT, TITLES, TWIN, UNCORRECTED, rule_scores
from service.planning.planner import plan
from service.weekly.list_week import OUTREACH, SCORES, list_week, read_table, score_week, week_directory

CHAMPIONS = "champions"  # of the twin: its model in force after each retrain
LOOKED_AT = 2  # weeks between two comparisons with the twin
TRAINED_ROWS = 40_000  # of a training table at most: enough for a small town, and a third of the time


@dataclass(frozen=True)
class Setting:
    """The town and the work: the same for all policies and seeds. ``end`` is the Monday after the last week.

    ``papers``: the product's workbooks and pages are written, too; who is visited is the same without.
    """

    households: int
    weeks: int  # of history before the first list
    weeks_ahead: int
    grids: int
    microgrids: int
    end: date
    style: int = 0
    visit_share: float = 0.004
    retrain_every: int = 8  # weeks
    most_rows: int = TRAINED_ROWS
    papers: bool = False


@dataclass(frozen=True)
class Run:
    """One policy in one town; ``share`` of the visits is drawn by lot, ``explore`` says how (as in the settings)."""

    seed: int
    policy: str
    share: float
    explore: str = "uniform"

    @property
    def name(self) -> str:
        """The name of its files."""
        return f"seed-{self.seed}-{self.policy}-{self.share:g}-{self.explore}"


@dataclass(frozen=True)
class Lived:
    """``weeks``: week, date, version (of the model) and the columns of ``loop_measures.happened``.

    ``lists``: week, list, visits, expected: the run's own list beside those that its twin would have made of
    the same town; see ``_against_twin``.
    """

    weeks: pd.DataFrame
    lists: pd.DataFrame


class World:
    """A town, its office, and the workspace of those who make the lists."""

    def __init__(self, setting: Setting, run: Run, place: Path):
        """Live the history; ``place`` is emptied."""
        shutil.rmtree(place, ignore_errors=True)
        self.setting, self.run, self.place = setting, run, place
        self.workspace = place / "workspace"
        (self.town, self.community, content), (later, _, _) = (self._town() for _ in range(2))
        content["outreach"] |= {"explore_share": run.share, "explore": run.explore}
        self.office = Office(self.town, setting.visit_share)
        for _ in range(setting.weeks + setting.weeks_ahead):
            later.step()
        self.exports = Exports(self.office, self.community, content, later)
        for _ in range(setting.weeks):
            self.office.live_a_week()

    def _town(self) -> tuple[Town, Community, dict]:
        """The town before its first week."""
        one = self.setting
        weeks = one.weeks + one.weeks_ahead
        return make_town(one.households, weeks, self.run.seed, one.grids, one.microgrids, one.end, one.style)

    def take_in(self) -> "Monday":
        """Export what is new, ingest it, and look at the records."""
        self.exports.write(self.place / "export")
        ingest(self.place / "export", self.workspace)
        return Monday(self, read_records(self.workspace), self.town.monday)


@dataclass
class Monday:
    """What those who make the lists hold in hands on a Monday, and the truth."""

    world: World
    records: Records
    as_of: date

    @property
    def day(self) -> int:
        """Days since 1970-01-01."""
        return day_of(self.as_of)

    @cached_property
    def known(self) -> Known:
        """Everything known before the day."""
        return known_before(self.records, self.day)

    @cached_property
    def read(self) -> Records:
        """The records that models are trained on and score."""
        return without_targeted(self.records) if self.world.run.policy == UNCORRECTED else self.records

    @cached_property
    def chance(self) -> np.ndarray:
        """float32 [households of the town, needs]: that a visit finds the need."""
        return need_now(self.world.town)

    def in_town(self, visits: pd.DataFrame) -> pd.DataFrame:
        """The visits with household and need as positions of the town."""
        household = pd.Index(self.world.exports.names.household).get_indexer(pd.Index(visits["household_id"]))
        need = visits["need"].map(self.world.community.need_index())
        return visits.assign(household=household, need=need.to_numpy(dtype=np.int64))


def live(setting: Setting, run: Run, place: Path, twin: Path | None = None) -> Lived:
    """Live ``weeks_ahead`` weeks under a policy, in the directory ``place``.

    The policy ``twin`` is the product whose lists stay in the drawer: only the visits drawn by lot happen.
    ``twin``: the place of such a run of the same town, to compare lists with.
    """
    world, rows, lists = World(setting, run, place), [], []
    title = say(f"{TITLES[run.policy][0]}，种子 {run.seed}", f"{TITLES[run.policy][1]}, seed {run.seed}")
    for week in tqdm(range(setting.weeks_ahead), desc=title, delay=2, leave=False):
        monday = world.take_in()
        if run.policy in MODELLED and week % setting.retrain_every == 0:
            _retrain(monday)
        listed = monday.in_town(_list(monday))
        if twin and week % LOOKED_AT == LOOKED_AT - 1:
            lists += [{"week": week, **row} for row in _against_twin(monday, listed, twin)]
        group = groups(world.town)
        outcomes = _visit(world, listed[listed["arm"] == "random"] if run.policy == TWIN else listed)
        requests = np.bincount(world.office.requests[-1]["household"], minlength=len(world.town.people))
        done = happened(world.town, world.community, outcomes, monday.chance, group, requests)
        made_by = {"week": week, "date": monday.as_of, "version": str(listed["model_version"].max())}
        rows += [{**made_by, **row} for row in done]
    return Lived(pd.DataFrame(rows), pd.DataFrame(lists, columns=["week", "list", "visits", "expected"]))


@contextmanager
def _silently(name: str) -> Iterator[None]:
    """A stage whose time nobody reads."""
    yield


def _retrain(monday: Monday) -> None:
    """Train, compare with the champion, and put the model in force where the gate allows it."""
    workspace, known = monday.world.workspace, known_before(monday.read, monday.day)
    try:
        before, version = champion(workspace).model, champion(workspace).version
    except NoChampion:
        before, version = None, 0
    trained = retrain(
        monday.read, monday.day, before, Retraining(most_rows=monday.world.setting.most_rows, threads=1)
    )
    if decide(trained, known, before is not None).allowed:
        with download_place(workspace) as made:
            trained.model.save(made / "model")
            install_copy(workspace, registry_address(workspace), version + 1, made / "model")
    if monday.world.run.policy == TWIN:
        kept = monday.world.place / CHAMPIONS / monday.as_of.isoformat()
        kept.mkdir(parents=True)
        champion(workspace).model.save(kept)


def _list(monday: Monday) -> pd.DataFrame:
    """The week's list: columns of outreach.parquet."""
    world, workspace = monday.world, monday.world.workspace
    if world.run.policy not in MODELLED:
        here = pd.Index(world.exports.names.household).get_indexer(pd.Index(monday.records.household_ids))
        scores = rule_scores(world.run.policy, monday.known, lambda: monday.chance[here], world.run.seed)
        return plan(scores, monday.known).visits
    output = week_directory(workspace, monday.as_of)
    scored, _ = score_week(workspace, monday.read, monday.as_of, workspace / SCORES, _silently)
    if world.run.policy != PRODUCT or not world.setting.papers:
        return plan(scored.scores, monday.known).visits
    list_week(workspace, monday.records, monday.as_of, output, _silently)
    return read_table(output / OUTREACH)


def _visit(world: World, listed: pd.DataFrame) -> pd.DataFrame:
    """Knock at the listed doors and live the week; the visits with arm and outcome."""
    planned = Planned(
        listed["household"].to_numpy(),
        listed["need"].to_numpy(),
        listed["propensity"].to_numpy(dtype=np.float64),
        listed["outreach_id"].to_numpy(dtype=object),
    )
    return world.office.live_a_week(planned).assign(arm=listed["arm"].to_numpy())


def _against_twin(monday: Monday, listed: pd.DataFrame, twin: Path) -> list[dict]:
    """The list and two that a model without feedback makes for the same doors, by the truth.

    ``own``: the list that goes out. ``twin model``: the twin's model on this office's records. ``twin``: the
    twin's own scores of the day, which know the requests that visits prevented here, and no visits. All under
    the same capacity, cool-down, refusals and lot.
    """
    scores = {
        "twin model": score(monday.records, NeedModel.load(_in_force(twin, monday.as_of)), monday.day).scores,
        "twin": read_table(week_directory(twin / "workspace", monday.as_of) / SCORES),
    }
    found = {"own": listed} | {
        name: monday.in_town(plan(one, monday.known).visits) for name, one in scores.items()
    }
    return [{"list": name, **expected_of_list(one, monday.chance)} for name, one in found.items()]


def _in_force(twin: Path, as_of: date) -> Path:
    """The twin's model in force on a date."""
    return max(path for path in (twin / CHAMPIONS).iterdir() if path.name <= as_of.isoformat())
