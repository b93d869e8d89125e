"""Why a household stands on a list: contributions turned into facts that a grid worker understands."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from features.blocks.build import BLOCKS, Features, block_name, catalogue, facts
from features.blocks.evidence import evidence
from features.language import say
from features.point_in_time.records import Known, Rows
from features.point_in_time.remembered import remembered
from features.point_in_time.town_summary import YEAR
from models.scoring.model import NeedModel

COMMON = "common"  # kind of the reason where no fact raised a score


@dataclass(frozen=True)
class Reason:
    """One fact that raised a score: in words, the block it comes from, and the rows behind it."""

    text: str
    kind: str
    evidence: str


def reasons(
    model: NeedModel, known: Known, features: Features, positions: np.ndarray, most: int = 3
) -> list[list[str]]:
    """The texts of ``explained``."""
    return [[one.text for one in row] for row in explained(model, known, features, positions, most)]


def explained(
    model: NeedModel, known: Known, features: Features, positions: np.ndarray, most: int = 3
) -> list[list[Reason]]:
    """For each pair at ``positions`` of ``features.rows``: up to ``most`` facts that raised its score, the
    strongest first, those of the season (the same for every household) last; at least one.

    Contributions are summed over the features that one fact explains. Facts are read from ``known``, so they
    hold on the as-of day whatever the model makes of them. Contributions are slow: ask for shown rows only.
    """
    return told(model, known, features.rows.take(positions), *fact_weights(model, features, positions), most)


def told(
    model: NeedModel, known: Known, rows: Rows, kinds: list[str], weights: np.ndarray, most: int = 3
) -> list[list[Reason]]:
    """``explained`` in the language in force, from the weights of ``fact_weights`` of each of ``rows``."""
    tell = facts(model.schema)
    block_of = {fact: block_name(block) for block in BLOCKS for fact in facts(model.schema, (block,))}
    of_season = {feature.fact for feature in catalogue(model.schema) if feature.role == "season"}
    general = np.isin(kinds, list(of_season))
    found = []
    for household, need, weight in zip(rows.household.tolist(), rows.need.tolist(), weights, strict=True):
        raised = np.flatnonzero(weight > 0)
        order = raised[np.lexsort((-weight[raised], general[raised]))]
        texts = ((kinds[kind], tell[kinds[kind]](known, model.schema, household, need)) for kind in order)
        chosen = []
        for fact, text in _distinct(texts, most):
            if fact == "expected":  # told by the household's own requests or by those like it
                own = text == tell["asked_before"](known, model.schema, household, need)
                fact = "asked_before" if own else "similar"
            chosen.append(Reason(text, block_of[fact], evidence(fact, known, household, need)))
        found.append(chosen or [Reason(_common(known, need), COMMON, "")])
    return found


def fact_weights(model: NeedModel, features: Features, positions: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Kinds of fact, and float64 [positions, kinds]: by how much (log odds) each raised the score."""
    contributions = model.contributions(features, positions)
    fact_of = {feature.name: feature.fact for feature in catalogue(model.schema)}
    kinds = sorted({fact for fact in fact_of.values() if fact})
    column = {kind: index for index, kind in enumerate(kinds)}
    weights = np.zeros((len(positions), len(kinds)))
    for index, name in enumerate(features.names):
        if fact_of[name]:
            weights[:, column[fact_of[name]]] += contributions[:, index]
    return kinds, weights


def joined(texts: Sequence[str]) -> str:
    """Join the reasons of one pair into one text: “孩子8岁，双职工，去年6月申请过暑托”."""
    return say("，", "; ").join(texts)


def _distinct(told: Iterable[tuple[str, str]], most: int) -> list[tuple[str, str]]:
    """The first ``most`` facts whose texts are not empty and do not repeat one another."""
    chosen: list[tuple[str, str]] = []
    for fact, text in told:
        if len(chosen) == most:
            break
        if text and not any(text in one or one in text for _, one in chosen):
            chosen.append((fact, text))
    return chosen


def _common(known: Known, need: int) -> str:
    """What holds for every household: how many asked for this need within a year."""
    counts = asking_within_a_year(known)
    return say(
        f"全社区近一年{counts[need]}户申请过本项", f"{counts[need]} households here asked within a year"
    )


@remembered
def asking_within_a_year(known: Known) -> tuple[int, ...]:
    """Count the town's households that asked for each need within a year."""
    if known.town is not None:
        return known.town.town_counts.asking_within_a_year
    recent = known.requests.requested >= known.as_of - YEAR
    household, need = known.requests.household[recent], known.requests.need[recent]
    return tuple(len(np.unique(household[need == one])) for one in range(len(known.community.needs)))
