"""Simulate a year in which the product works on its own lists, in a town that reacts to visits.

One run is one policy in one town (a seed). Every Monday the office's new rows go through ``ingest``, lists are
made by the functions behind the commands, visits happen in the simulated town, and their outcomes come back
with the next export. A retrained model passes the command's gate before it is used. MLflow's runs and figures are left
out, and by default the lists on paper: they take time and change neither models nor visits.
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
from features.store.partitions import InMemory
from features.store.reader import read_records
from models.dataset.feedback_correction import without_targeted
from models.dataset.out_of_time import keep_out_of_time
from models.registry.champion import NoChampion, download_place, install_copy, with_own_validation
from models.registry.registry import champion
from models.registry.tracking import registry_name
from models.report.card import decide
from models.scoring.model import NeedModel
from models.scoring.score import score
from models.training.retrain import retrain
from models.training.retraining import Retraining
from service.experiments.loop_measures import expected_of_list, happened
from service.experiments.loop_policies import MODELLED, PRODUCT, TITLES, TWIN, UNCORRECTED, rule_scores
from service.planning.planner import plan
from service.weekly.list_week import list_week
from service.weekly.score_cache import score_week
from service.weekly.week_directory import OUTREACH, SCORES, read_table, week_directory

CHAMPIONS = "champions"  # of the twin: its model in force after each retrain
LOOKED_AT = 2  # weeks between two comparisons with the twin
TRAINED_ROWS = 40_000  # of a training table at most: enough for a small town, and a third of the time


@dataclass(frozen=True)
class Setting:
    """Options of the town and the work, the same for all policies and seeds.

    ``end`` is the Monday after the last week. With ``papers`` the product's list is made by ``list_week``, with its
    workbooks and pages; it then also keeps households of last week's list that nobody visited.
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
    """One policy in one town; ``share`` of the visits are random, drawn as ``explore`` says (see the settings)."""

    seed: int
    policy: str
    share: float
    explore: str = "uniform"

    @property
    def name(self) -> str:
        """Return the name of the run's files."""
        return f"seed-{self.seed}-{self.policy}-{self.share:g}-{self.explore}"


@dataclass(frozen=True)
class Lived:
    """The results of a run.

    ``weeks`` has the columns week, date, version (of the model) and those of ``loop_measures.happened``. ``lists``
    has week, list, visits and expected: the run's own list beside its twin's lists, see ``_against_twin``.
    """

    weeks: pd.DataFrame
    lists: pd.DataFrame


class World:
    """A town, its office, and the workspace of those who make the lists."""

    def __init__(self, setting: Setting, run: Run, place: Path):
        """Empty ``place`` and live the weeks of history."""
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
        """Make the town as it is before its first week."""
        setting = self.setting
        weeks = setting.weeks + setting.weeks_ahead
        return make_town(
            setting.households,
            weeks,
            self.run.seed,
            setting.grids,
            setting.microgrids,
            setting.end,
            setting.style,
        )

    def take_in(self) -> "Monday":
        """Export what is new, ingest it, and read the records."""
        self.exports.write(self.place / "export")
        ingest(self.place / "export", self.workspace)
        return Monday(self, read_records(self.workspace), self.town.monday)


@dataclass
class Monday:
    """What the office knows on a Monday, and the truth."""

    world: World
    records: Records
    as_of: date

    @property
    def day(self) -> int:
        """Return the as-of day in days since 1970-01-01."""
        return day_of(self.as_of)

    @cached_property
    def known(self) -> Known:
        """Return what was known before the as-of day."""
        return known_before(self.records, self.day)

    @cached_property
    def read(self) -> Records:
        """Return the records on which models are trained and score."""
        return without_targeted(self.records) if self.world.run.policy == UNCORRECTED else self.records

    @cached_property
    def chance(self) -> np.ndarray:
        """Compute the true probability that a visit finds the need: float32 [households of the town, needs]."""
        return need_now(self.world.town)

    def in_town(self, visits: pd.DataFrame) -> pd.DataFrame:
        """Replace household and need of the visits by positions in the town."""
        household = pd.Index(self.world.exports.names.household).get_indexer(pd.Index(visits["household_id"]))
        need = visits["need"].map(self.world.community.need_index())
        return visits.assign(household=household, need=need.to_numpy(dtype=np.int64))


def live(setting: Setting, run: Run, place: Path, twin: Path | None = None) -> Lived:
    """Live ``setting.weeks_ahead`` weeks under a policy.

    Under the policy ``twin`` the product makes lists and only the random visits happen.

    setting: the town and the work.
    run: policy, seed and random visits.
    place: directory of the run; it is emptied.
    twin: directory of a run of the same town under the policy ``twin``, to compare lists with.

    Returns one row a week and group, and one row a compared list.
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
    """Run a stage without printing its time."""
    yield


def _retrain(monday: Monday) -> None:
    """Train a model, compare it with the champion, and put it in force where the gate allows it."""
    workspace, known = monday.world.workspace, known_before(monday.read, monday.day)
    try:
        present = champion(workspace)
        before, version = with_own_validation(workspace, present, monday.read), present.version
    except NoChampion:
        before, version = None, 0
    trained = retrain(
        monday.read, monday.day, before, Retraining(most_rows=monday.world.setting.most_rows, threads=1)
    )
    if decide(trained, known, before is not None).allowed:
        with download_place(workspace) as made:
            trained.model.save(made / "model")
            if trained.model.out_of_time:
                keep_out_of_time(workspace, made / "model", trained.model.out_of_time)
            install_copy(workspace, registry_name(workspace), version + 1, made / "model")
    if monday.world.run.policy == TWIN:
        kept = monday.world.place / CHAMPIONS / monday.as_of.isoformat()
        kept.mkdir(parents=True)
        champion(workspace).model.save(kept)


def _list(monday: Monday) -> pd.DataFrame:
    """Make the week's list, with the columns of outreach.parquet."""
    world, workspace = monday.world, monday.world.workspace
    if world.run.policy not in MODELLED:
        positions = pd.Index(world.exports.names.household).get_indexer(
            pd.Index(monday.records.household_ids)
        )
        scores = rule_scores(world.run.policy, monday.known, lambda: monday.chance[positions], world.run.seed)
        return plan(scores, monday.known).visits
    output = week_directory(workspace, monday.as_of)
    score_week(workspace, InMemory(monday.read), monday.as_of, workspace / SCORES, _silently)
    if world.run.policy != PRODUCT or not world.setting.papers:
        by_turn = not champion(workspace).model.tells_apart
        return plan(read_table(output / SCORES), monday.known, by_turn=by_turn).visits
    list_week(workspace, InMemory(monday.records), monday.as_of, output, _silently)
    return read_table(output / OUTREACH)


def _visit(world: World, listed: pd.DataFrame) -> pd.DataFrame:
    """Make the listed visits, live the week, and return the visits with arm and outcome."""
    planned = Planned(
        listed["household"].to_numpy(),
        listed["need"].to_numpy(),
        listed["propensity"].to_numpy(dtype=np.float64),
        listed["outreach_id"].to_numpy(dtype=object),
    )
    return world.office.live_a_week(planned).assign(arm=listed["arm"].to_numpy())


def _against_twin(monday: Monday, listed: pd.DataFrame, twin: Path) -> list[dict]:
    """Evaluate three lists for the same Monday by the truth: the run's own, and two without feedback.

    ``own`` goes out. ``twin model`` is made by the twin's model from this office's records. ``twin`` is made from the
    twin's own scores of the day: these know the requests that visits prevented here, and no visits. All three keep
    to the same capacity, cool-down, refusals and random visits.
    """
    scores = {
        "twin model": score(monday.records, NeedModel.load(_in_force(twin, monday.as_of)), monday.day).scores,
        "twin": read_table(week_directory(twin / "workspace", monday.as_of) / SCORES),
    }
    lists = {"own": listed} | {
        name: monday.in_town(plan(score, monday.known).visits) for name, score in scores.items()
    }
    return [{"list": name, **expected_of_list(visits, monday.chance)} for name, visits in lists.items()]


def _in_force(twin: Path, as_of: date) -> Path:
    """Find the twin's model that was in force on a date."""
    return max(path for path in (twin / CHAMPIONS).iterdir() if path.name <= as_of.isoformat())
