"""Reasons why a household stands on a list: contributions turned into sentences that a grid worker may be told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from features.blocks import expected
from features.blocks.activity import ANYTHING
from features.blocks.build import BLOCKS, Features, block_name, catalogue, facts, tellings
from features.blocks.similar import LEAST_TOLD, attribute_logarithms
from features.blocks.source_rows import source_rows
from features.contract.need_kinds import FEWEST_TOLD, NEVER, Place
from features.language import say
from features.point_in_time.records import Known, Rows
from features.point_in_time.remembered import remembered
from features.units import YEAR_OF_WEEKS
from models.scoring.model import NeedModel

COMMON = "common"  # reason group where no fact may be told
MOST = 3  # reasons of one pair
LEAST_RATIO = 1.1  # of neighbours' requests to those of similar households, to be worth telling
OWN, SIMILAR = "asked_before", "similar"
SEASON = "season"  # topic of what is the same for every household
LAST = {ANYTHING: 1, SEASON: 2}  # topics of reasons that stand after all others, in this order


@dataclass(frozen=True)
class Reason:
    """One reason that raised a score: its text, the block it comes from, and the rows behind it."""

    text: str
    kind: str
    evidence: str


@dataclass(frozen=True)
class Weights:
    """Contributions of reasons to the scores of some pairs, in log-odds.

    facts: their names. weight: float64 [pairs, facts].
    """

    facts: list[str]
    weight: np.ndarray


def explained(
    model: NeedModel,
    known: Known,
    features: Features,
    positions: np.ndarray,
    most: int = MOST,
) -> list[list[Reason]]:
    """Choose the reasons on a list of each pair at ``positions`` of ``features.rows``: at least one a pair.

    Contributions are slow to compute: ask for shown rows only. Other parameters and the order are those of
    ``chosen_reasons``.
    """
    rows = features.rows.take(positions)
    return chosen_reasons(model, known, rows, ranked_facts(model, known, features, positions), most)


def chosen_reasons(
    model: NeedModel,
    known: Known,
    rows: Rows,
    ranked: Sequence[Sequence[str]],
    most: int = MOST,
    place: Place = "list",
) -> list[list[Reason]]:
    """Choose the reasons of each pair, in the language in force: the strongest first, the season last.

    A reason is given if it raised the model's score, if its rule (``features.blocks.build.tellings``) allows it for the
    place and the need, and if it does not make a request less likely than in a typical household; at most one of a
    topic. Its text is read from ``known``, so it holds on the as-of day whatever the model makes of it. A pair without
    a reason of its own gets the number of similar households nearby that asked, or else of all households.

    model: the model that scored the pairs.
    known: what was known on the as-of day.
    rows: the pairs.
    ranked: ``ranked_facts`` of these pairs, the same in each language and place.
    most: reasons of a pair at most.
    place: where they are shown.
    """
    tell, rules = facts(model.schema), tellings(model.schema, known.community)
    block_of = {fact: block_name(block) for block in BLOCKS for fact in facts(model.schema, (block,))}
    rows_of_reasons = []
    for household, need, strongest in zip(rows.household.tolist(), rows.need.tolist(), ranked, strict=True):
        about = known.community.needs[need].about | {known.community.needs[need].id}
        chosen: list[Reason] = []
        topics = {""}
        for fact in strongest:
            rule = rules.get(fact, NEVER)
            if len(chosen) == most or rule.topic in topics or not rule.allows(place, about):
                continue
            if rule.topic == SEASON and not chosen:  # the same for every household, it only says why now
                continue
            if rule.topic == ANYTHING and chosen:
                continue
            if text := tell[fact](known, model.schema, household, need):
                chosen.append(Reason(text, block_of[fact], source_rows(fact, known, household, need)))
                topics.add(rule.topic)
        if topics <= {"", "other_requests", "arrival", ANYTHING}:  # nothing says anything about this need
            chosen = [*chosen[: most - 1], _no_reason(model, known, household, need)]
        rows_of_reasons.append(chosen)
    return rows_of_reasons


def ranked_facts(
    model: NeedModel, known: Known, features: Features, positions: np.ndarray
) -> list[list[str]]:
    """List the reasons that raised the score of each pair at ``positions`` of ``features.rows``: a list a pair.

    The strongest stand first, those of the topics in LAST after all others. Other parameters are those of
    ``chosen_reasons``.
    """
    weights, rows = fact_weights(model, features, positions), features.rows.take(positions)
    rules, asked_for = tellings(model.schema, known.community), facts(model.schema).get(OWN)
    ranked = []
    for household, need, row in zip(
        rows.household.tolist(), rows.need.tolist(), weights.weight.tolist(), strict=True
    ):
        weight = dict(zip(weights.facts, row, strict=True))
        logarithms = attribute_logarithms(known, model.schema, household, need)
        spread = sum(max(weight.pop(fact, 0.0), 0.0) for fact in (SIMILAR, "expected"))
        if OWN in weight and asked_for and asked_for(known, model.schema, household, need):
            weight[OWN] += spread
        else:
            weight = _spread_over(weight, logarithms, spread)
        kept = [
            fact
            for fact, value in weight.items()
            if value > 0 and logarithms.get(fact, LEAST_TOLD) >= LEAST_TOLD
        ]
        kept.sort(key=lambda fact: (LAST.get(rules.get(fact, NEVER).topic, 0), -weight[fact]))
        ranked.append(kept)
    return ranked


def _spread_over(
    weight: Mapping[str, float], logarithms: Mapping[str, float], spread: float
) -> dict[str, float]:
    """Share the weight ``spread`` of similar households among the attributes for which such households ask more."""
    raising = {fact: value for fact, value in logarithms.items() if value > 0}
    total = sum(raising.values())
    shares = {fact: spread * value / total for fact, value in raising.items()}
    return {fact: weight.get(fact, 0.0) + shares.get(fact, 0.0) for fact in {**weight, **shares}}


def fact_weights(model: NeedModel, features: Features, positions: np.ndarray) -> Weights:
    """Sum the features' contributions by reason, for the pairs at ``positions``.

    The weight of neighbours' requests is 0 unless they are more than LEAST_RATIO times those of similar households.
    """
    contributions = model.contributions(features, positions)
    listed = catalogue(model.schema)
    fact_of = {feature.name: feature.fact for feature in listed}
    names = sorted({fact for fact in fact_of.values() if fact})
    column = {name: index for index, name in enumerate(names)}
    weights = np.zeros((len(positions), len(names)))
    for index, name in enumerate(features.names):
        if fact_of[name]:
            weights[:, column[fact_of[name]]] += contributions[:, index]
    place = {name: index for index, name in enumerate(features.names)}
    for fact in {feature.fact for feature in listed if feature.role == "neighbours"}:
        ratios = [
            place[feature.name] for feature in listed if feature.fact == fact and feature.unit == "ratio"
        ]
        more = (features.matrix[positions][:, ratios] > LEAST_RATIO).any(axis=1)
        weights[~more, column[fact]] = 0.0
    return Weights(names, weights)


def joined(texts: Sequence[str]) -> str:
    """Join the reasons of one pair into one text: “孩子8岁，双职工，去年6月申请过暑托”."""
    return say("，", "; ").join(texts)


def _no_reason(model: NeedModel, known: Known, household: int, need: int) -> Reason:
    """Return the reason of a pair without one of its own: how many similar households nearby, or of all, asked."""
    if text := expected.FACTS[SIMILAR](known, model.schema, household, need):
        return Reason(text, block_name(expected), "")
    return Reason(_common(known, need), COMMON, "")


def _common(known: Known, need: int) -> str:
    """Return a text that holds for every household: how many asked for this need within a year."""
    count = asking_within_a_year(known)[need]
    if count >= FEWEST_TOLD:
        return say(f"全社区近一年有{count}户申请过本项", f"{count} households here asked within a year")
    if count:
        return say("近一年很少有人申请，顺便问一问", "hardly anybody asked within a year; worth a question")
    return say("近一年还没有人申请，顺便问一问", "nobody asked within a year; worth a question")


@remembered
def asking_within_a_year(known: Known) -> tuple[int, ...]:
    """Count the town's households that asked for each need within a year."""
    if known.town is not None:
        return known.town.town_counts.asking_within_a_year
    recent = known.requests.requested >= known.as_of - YEAR_OF_WEEKS
    household, need = known.requests.household[recent], known.requests.need[recent]
    return tuple(
        len(np.unique(household[need == position])) for position in range(len(known.community.needs))
    )
