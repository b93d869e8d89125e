"""Scores of every household as of one date, partition by partition: the weekly batch of a town of any size.

What holds for the whole town (rates, factors, the level of the day) is fitted first. Then each partition gives
log-odds by itself. At the end come ranks and tiers, which compare all households.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
from threadpoolctl import threadpool_limits

from features.blocks.build import Features, build, summarise
from features.blocks.seasons import asking_last_year
from features.contract.community import Community
from features.point_in_time.cohort import cohort
from features.point_in_time.records import Known, Records, date_of, known_before
from features.point_in_time.town import TownCounts, TownSummary, summed
from features.rows.tables import rows_at
from features.store.partitions import InMemory, Partitions
from features.store.storage import put_table
from models.dataset.out_of_time import stable_hash
from models.demand.cells import span_shares
from models.demand.seats import claimed, found
from models.estimators.seasonal_level import Ahead, ahead, course_of
from models.scoring.executors import Each
from models.scoring.explain import asking_within_a_year
from models.scoring.model import NeedModel, probability
from models.scoring.ranking import Standing, rank_and_tier, rule_scores


@dataclass(frozen=True)
class Fitted:
    """Numbers of the whole town that the scores of one day use."""

    town: TownSummary
    level: Ahead  # of the sample
    shares: np.ndarray  # float64 [needs, spans]: ``models.demand.cells.span_shares``


def fit(known: Known, model: NeedModel) -> Fitted:
    """Fit the town's numbers on a town, or on the partitions of a sample."""
    return Fitted(
        summarise(known, model.schema),
        ahead(known, model.lent_season),
        span_shares(course_of(known), known.community, model.lent_season),
    )


def fit_town(town: Partitions, model: NeedModel, as_of: int) -> Fitted:
    """Fit the town's numbers on the partitions of its sample.

    model: whose schema is used. as_of: the day.
    """
    return fit(known_before(town.read(town.sample), as_of), model)


@dataclass(frozen=True)
class LogOdds:
    """Log-odds of the households that live in one partition, with everything needed to compare them with others."""

    ids: pa.StringArray  # of its households
    order: np.ndarray  # uint64 per household: breaks ties
    household: np.ndarray  # int32 per pair: position in ids
    need: np.ndarray  # int16 per pair
    log_odds: np.ndarray  # float64 per pair, before the level of the day
    p_need: np.ndarray | None  # float64 per pair; None where the model has none of its own
    rule: np.ndarray  # float64 per pair, from ``rule_scores``
    state: "PartitionState"
    counts: TownCounts


@dataclass(frozen=True)
class PartitionState:
    """Sums of one partition's grids and micro-grids, with which a household can be scored by itself.

    attributes: names of the columns in ``households``; empty in weeks that were published before these were kept.
    """

    grids: tuple[str, ...]  # whose households live in the partition
    grid_ids: np.ndarray  # object str, the grids by the numbers that ``town`` uses
    microgrid_ids: np.ndarray  # object str
    town: TownSummary
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScorePartition:
    """A task that computes the log-odds of a partition, by its number."""

    town: Partitions
    model: NeedModel
    fitted: Fitted

    @threadpool_limits.wrap(limits=1, user_api="blas")
    def __call__(self, number: int) -> LogOdds:
        """Score one partition.

        BLAS takes one thread: with more, last digits would depend on their number, and between these products they
        would only keep LightGBM's threads from working.
        """
        return self.scored(self.known(number))[0]

    def known(self, number: int) -> Known:
        """Return what was known of a partition."""
        summary = None if len(self.town) == 1 else self.fitted.town
        return known_before(self.town.read([number]), self.fitted.town.as_of, summary)

    def features(self, known: Known) -> tuple[Features, TownSummary]:
        """Build the features of a partition's cohort; also return the sums that they use."""
        town = (
            self.fitted.town if len(self.town) == 1 else summarise(known, self.model.schema, self.fitted.town)
        )
        return build(known, cohort(known), self.model.schema, town), town

    def scored(self, known: Known) -> tuple[LogOdds, Features]:
        """Compute the log-odds of a partition; also return its features."""
        features, town = self.features(known)
        rows, records, model = features.rows, known, self.model
        log_odds = model.log_odds(features)
        present = np.flatnonzero(known.present)
        ids = records.household_ids[present]
        grids = np.unique(records.grid_ids[known.grid[present]]).tolist()
        return (
            LogOdds(
                ids=pa.array(ids, pa.string()),
                order=stable_hash(ids),
                household=np.searchsorted(present, rows.household).astype(np.int32),
                need=rows.need,
                log_odds=log_odds,
                p_need=model.visited.predict(features, known, log_odds) if model.visited else None,
                rule=rule_scores(features, known.community),
                state=PartitionState(
                    tuple(map(str, grids)),
                    records.grid_ids,
                    records.microgrid_ids,
                    town,
                    tuple(records.households.attributes),
                ),
                counts=counts_of(known),
            ),
            features,
        )


@dataclass(frozen=True)
class TownScores:
    """Scores of all households of a town; pairs and households stand one partition after another."""

    community: Community
    version: str
    fitted: Fitted
    partitions: Sequence[LogOdds]
    shift: np.ndarray  # float64 [needs]: the level of the day
    p_request: np.ndarray  # float64 per pair
    p_need: np.ndarray  # float64 per pair
    merit: np.ndarray  # float64 per pair: p_need, and what a rule adds; by it households are ranked
    rank: np.ndarray  # int32 per pair
    risk: np.ndarray  # float64 per household
    tier: np.ndarray  # object str per household

    @property
    def as_of(self) -> int:
        """Return the as-of day."""
        return self.fitted.town.as_of

    @property
    def standing(self) -> Standing:
        """Return what a household that is scored later is compared with."""
        need = np.concatenate([partition.need for partition in self.partitions])
        return Standing.of(self.merit, need, self.risk, self.tier, self.community)

    def frames(self, number: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return a partition's rows of scores.parquet and of risk.parquet, in the contract's columns."""
        partition = self.partitions[number]
        before = self.partitions[:number]
        pairs = slice(begin := sum(len(scored.need) for scored in before), begin + len(partition.need))
        homes = slice(begin := sum(len(scored.ids) for scored in before), begin + len(partition.ids))
        ids = partition.ids.to_numpy(zero_copy_only=False)
        needs = np.array([need.id for need in self.community.needs], dtype=object)
        scores = {
            "household_id": ids[partition.household],
            "need": needs[partition.need],
            "as_of": date_of(self.as_of),
            "p_request": self.p_request[pairs],
            "p_need": self.p_need[pairs],
            "rank": self.rank[pairs],
            "model_version": self.version,
        }
        risk = {
            "household_id": ids,
            "as_of": date_of(self.as_of),
            "risk": self.risk[homes],
            "tier": self.tier[homes],
        }
        return pd.DataFrame(scores), pd.DataFrame(risk)


def compare(
    town: Partitions, fitted: Fitted, model: NeedModel, version: str, partitions: Sequence[LogOdds]
) -> TownScores:
    """Set the level of the day, and rank and tier all households of a town.

    fitted: numbers of the whole town. version: of the model, for the tables.
    partitions: the log-odds of every partition, in order.
    """
    sample = [partitions[number] for number in town.sample]
    log_odds, sampled = (
        np.concatenate([getattr(partition, name) for partition in sample]) for name in ("log_odds", "need")
    )
    shift = model.shift_to(fitted.level, log_odds, sampled)
    need = np.concatenate([partition.need for partition in partitions])
    p_request = probability(np.concatenate([partition.log_odds for partition in partitions]), shift[need])
    corrected = [partition.p_need for partition in partitions if partition.p_need is not None]
    p_need = np.concatenate(corrected) if corrected else p_request
    begins = np.cumsum([0, *(len(partition.ids) for partition in partitions)]).astype(np.int32)
    household = np.concatenate(
        [partition.household + begin for partition, begin in zip(partitions, begins[:-1], strict=True)]
    )
    order = np.concatenate([partition.order for partition in partitions])
    merit = p_need + np.concatenate([partition.rule for partition in partitions])
    compared = rank_and_tier(p_request, merit, need, household, order, model, town.community)
    counts = summed([partition.counts for partition in partitions])
    fitted = replace(fitted, town=replace(fitted.town, counts=counts))
    return TownScores(town.community, version, fitted, partitions, shift, p_request, p_need, merit, *compared)


def score_town(town: Partitions, model: NeedModel, as_of: int, version: str, each: Each) -> TownScores:
    """Score a town, partition by partition.

    as_of: the day. version: of the model, for the tables.
    each: calls a task for every number, in order (``models.scoring.executors``).
    """
    fitted = fit_town(town, model, as_of)
    partitions = list(each(ScorePartition(town, model, fitted), range(len(town))))
    return compare(town, fitted, model, version, partitions)


@dataclass(frozen=True)
class Scored:
    """Scores of a town in memory, with what was known and the features.

    ``scores`` and ``risk`` have the contract's columns; ``features.rows`` are the pairs in the order of ``scores``.
    """

    town_scores: TownScores
    known: Known
    features: Features

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Return household_id, need, as_of, p_request, p_need, rank, model_version."""
        return self.town_scores.frames(0)[0]

    @cached_property
    def risk(self) -> pd.DataFrame:
        """Return household_id, as_of, risk, tier."""
        return self.town_scores.frames(0)[1]

    @property
    def p_request(self) -> np.ndarray:
        """Return p_request: float64 [pairs]."""
        return self.town_scores.p_request

    @property
    def p_need(self) -> np.ndarray:
        """Return p_need: float64 [pairs]."""
        return self.town_scores.p_need


@threadpool_limits.wrap(limits=1, user_api="blas")
def score(records: Records, model: NeedModel, as_of: int, version: str | int = "") -> Scored:
    """Score a town in memory as of a day, and keep its features.

    records: of the town; what was recorded before ``as_of`` is used. version: of the model, for the tables.
    """
    town, known = InMemory(records), known_before(records, as_of)
    task = ScorePartition(town, model, fit(known, model))
    partition, features = task.scored(known)
    return Scored(compare(town, task.fitted, model, str(version), [partition]), known, features)


def counts_of(known: Known) -> TownCounts:
    """Count the households that live in a partition; the sum over partitions is the town's."""
    present = known
    if known.town is not None:  # rows of who lives elsewhere count there
        requests, outreach = known.requests, known.outreach
        present = replace(
            known,
            requests=rows_at(requests, np.flatnonzero(known.present[requests.household])),
            outreach=rows_at(outreach, np.flatnonzero(known.present[outreach.household])),
            town=None,
        )
    programmes = known.community.programmes
    return TownCounts(
        asking_last_year=asking_last_year(present),
        asking_within_a_year=asking_within_a_year(present),
        claimed={programme.id: claimed(programme, present) for programme in programmes},
        found={programme.id: found(programme, present) for programme in programmes},
    )


@dataclass(frozen=True)
class WriteFeatures:
    """A task that writes the features of a partition, by its number, below a URL."""

    scoring: ScorePartition
    directory: str

    def __call__(self, number: int) -> None:
        """Write household_id, need, and a float32 column for each further feature."""
        known = self.scoring.known(number)
        made, _ = self.scoring.features(known)
        needs = pa.array([need.id for need in known.community.needs])
        columns = {
            "household_id": pa.array(known.household_ids[made.rows.household], pa.string()),
            "need": needs.take(pa.array(made.rows.need)),
        }
        for column, name in enumerate(made.names):
            columns.setdefault(name, pa.array(made.matrix[:, column]))
        put_table(self.place(number), pa.table(columns))

    def place(self, number: int) -> str:
        """Return the URL of a partition's file."""
        return f"{self.directory}/part={number:04d}.parquet"


def write_features(town: Partitions, model: NeedModel, as_of: int, directory: str, each: Each) -> None:
    """Write the features of every partition below a URL.

    model: whose schema is used. as_of: the day. directory: the URL. each: maps a task over partitions, in order.
    """
    scoring = ScorePartition(town, model, fit_town(town, model, as_of))
    list(each(WriteFeatures(scoring, directory), range(len(town))))
