"""Rank a need by a simple rule instead of the model, where the office has chosen so."""

import numpy as np

from features.blocks.build import Features
from features.contract.community import Community
from models.evaluation.baselines import counted


def rule_scores(features: Features, community: Community) -> np.ndarray:
    """Compute what is added to p_need before households are ranked: float64 [pairs].

    It is 0 for needs that the model ranks. Elsewhere it is the count of the need's rule, a whole number, so that among
    households with the same count the one with the higher p_need comes first.
    """
    added = np.zeros(len(features.rows), dtype=np.float64)
    rules = [need.ranking for need in community.needs]
    if any(rule != "model" for rule in rules):
        counts = counted(features.matrix, features.names)
        for position, rule in enumerate(rules):
            if rule != "model":
                rows = features.rows.need == position
                added[rows] = np.maximum(np.rint(counts[rule][rows].astype(np.float64)), 0.0)
    return added
