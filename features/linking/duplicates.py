"""Find households and people whom the register has twice: the linking model, asked of the register itself."""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from features.language import say
from features.linking.candidates import add_keys, candidate_pairs
from features.linking.evidence import NAME, PHONE, evidence_of, reason_of
from features.linking.link import shared_names
from features.linking.match_model import chances, first_model
from features.linking.mentioned import read_mentioned
from features.linking.places import read_places

TWICE = 0.02  # households that a register has twice, for each that it has, before anything is known of them
LIKELY = 0.5  # chance from which a pair is proposed


def duplicate_households(register: pd.DataFrame) -> pd.DataFrame:
    """Propose pairs of households that may be the same.

    register: as ``read_register`` returns it.

    Returns columns keep and drop (household_id; the one that comes first, by id, is kept), chance in [0, 1] and
    reason, the likeliest first. A pair shares its door, and a person's name or a telephone: two families behind one
    door are no duplicates.
    """
    households, whose = np.unique(register["household_id"].to_numpy(dtype=str), return_inverse=True)
    held = read_mentioned(register, whose, len(households))
    places = read_places(held.doors["names"], {})
    add_keys(held, places)
    pairs = candidate_pairs(held, held)
    pairs = pairs[pairs["record"] < pairs["household"]].reset_index(drop=True)
    evidence = evidence_of(pairs, held, held)
    record = pairs["record"].to_numpy()
    model = first_model()
    chance, _, _ = chances(model, record, evidence, len(households), shared_names(held))
    # of the chance that one household is meant, only few pairs are one household written twice
    odds = chance / np.maximum(1 - chance, 1e-9) * TWICE
    same = np.isin(evidence.door, (1, 2)) & (
        (evidence.form == 0) & np.isin(evidence.name, (1, 2)) | (evidence.phone == 1)
    )
    same |= (
        (evidence.name == NAME.index("same")) & (evidence.form == 0) & (evidence.phone == PHONE.index("same"))
    )
    chosen = np.flatnonzero(same & (odds / (1 + odds) >= LIKELY))
    chosen = chosen[np.argsort(-odds[chosen], kind="stable")]
    return pd.DataFrame(
        {
            "keep": households[pairs["record"].to_numpy()[chosen]],
            "drop": households[pairs["household"].to_numpy()[chosen]],
            "chance": (odds / (1 + odds))[chosen],
            "reason": [reason_of(evidence, int(row)) for row in chosen],
        }
    )


def duplicate_persons(residents: pd.DataFrame) -> pd.DataFrame:
    """Propose pairs of residents who may be the same person.

    residents: columns resident_id, household_id, person, phone and born (date or missing), one row a resident who is
        there.

    Returns columns keep, drop (resident_id), household (of each, joined) and reason: the same name in one household,
    or the same name and the same birth or telephone in two.
    """
    pairs = []
    first: Any
    other: Any
    named = residents[residents["person"].notna()]
    for person, rows in named.groupby("person"):
        for first, other in combinations(rows.itertuples(), 2):
            shared = [
                words
                for applies, words in (
                    (first.household_id == other.household_id, say("同一户", "one household")),
                    (_alike(first.born, other.born), say("出生日期相同", "same birth")),
                    (_alike(first.phone, other.phone), say("电话相同", "same telephone")),
                )
                if applies
            ]
            differ = pd.notna(first.born) and pd.notna(other.born) and first.born != other.born
            if shared and not differ:
                reason = say("；", "; ").join([say(f"同名 {person}", f"both called {person}"), *shared])
                pairs.append(
                    (
                        first.resident_id,
                        other.resident_id,
                        f"{first.household_id} / {other.household_id}",
                        reason,
                    )
                )
    return pd.DataFrame(pairs, columns=["keep", "drop", "household", "reason"])


def _alike(value: Any, other: Any) -> bool:
    """Tell whether both are stated and equal; a birth that nobody wrote down is None, and no birth in common."""
    return pd.notna(value) and value == other
