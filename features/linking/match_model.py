"""The chance that a record means a household: Bayes' rule over its candidates, somebody else at the door, and nobody.

The evidence counts as in Fellegi and Sunter (1969), "A Theory for Record Linkage", JASA 64: the share of true pairs that
agree so far, over the share of strangers. Shares of strangers are counted in the register; shares of true pairs begin
at ``TRUE_SHARES`` and are fitted to the records at hand by expectation-maximisation, with ``PRIOR`` records' weight for
where they began.
"""

from dataclasses import dataclass

import numpy as np

from features.linking.evidence import Evidence

PRIOR = 200.0  # records that the shares to begin with weigh
ROUNDS = 4
LEAST = 1e-4  # share of true pairs at any level: no evidence excludes a household
# how often a record of a household agrees so far, at each level of the evidence but "unsaid"
TRUE_SHARES = {
    "door 0": (0.965, 0.0, 0.005, 0.02, 0.01),  # by form: written with all parts
    "door 1": (0.965, 0.0, 0.005, 0.02, 0.01),  # unit or group left out
    "door 2": (0.0, 0.0, 0.97, 0.0, 0.03),  # no room
    "name 0": (0.74, 0.05, 0.06, 0.07, 0.08),  # by form: named in full
    "name 1": (0.93, 0.01, 0.01, 0.01, 0.04),  # signs hidden
    "name 2": (0.93, 0.01, 0.01, 0.01, 0.04),  # surname only
    "phone 0": (0.76, 0.03, 0.21),
    "phone 1": (0.8, 0.01, 0.19),  # masked
}
# how often the estate of a record of a household is written so; not fitted
PLACE_SHARES = np.array((1.0, 0.98, 0.9, 0.3, 0.01))
UNREGISTERED = 0.02  # records of households that the register doesn't have
OTHERS_AT_DOOR = 0.03  # households that live at a registered door and aren't registered, for each one that is
# how likely evidence of an unregistered household equals some registered one's at all
SHARED_PHONE, SHARED_DOOR = 0.02, 0.5
# a record that names a door and nobody is about who is registered there
DOOR_ALONE = 0.02


@dataclass(frozen=True)
class MatchModel:
    """Shares of true pairs by level for each kind of evidence, and how common unregistered households are.

    ``unregistered``: among records, in [0, 1]. ``others``: at a registered door, for each registered household.
    """

    shares: dict[str, np.ndarray]
    unregistered: float = UNREGISTERED
    others: float = OTHERS_AT_DOOR


def first_model() -> MatchModel:
    """Return the model before it has seen any record."""
    return MatchModel({kind: np.array((1.0, *shares)) for kind, shares in TRUE_SHARES.items()})


def fit(record: np.ndarray, evidence: Evidence, households: int, shared_name: float) -> MatchModel:
    """Fit the shares of true pairs to records.

    record: the record of each pair: int [pairs], ascending.
    evidence: of each pair.
    households: number of households in the register.
    shared_name: how likely the full name of somebody unregistered is one of the register's, in [0, 1].
    """
    model = first_model()
    for _ in range(ROUNDS):
        chance, nobody, others = chances(model, record, evidence, households, shared_name)
        shares = {}
        for kind, levels in _levels(evidence).items():
            begun = np.array((0.0, *TRUE_SHARES[kind])) * PRIOR
            counted = begun + np.bincount(levels, chance, len(begun))[: len(begun)]
            counted[0] = 0
            if kind in ("door 0", "door 1"):  # what the register leaves out doesn't speak against a record
                counted[1] += counted[2]
                counted[2] = counted[1]
                counted[1:3] /= 2
            shares[kind] = np.maximum(counted / counted.sum(), LEAST)
            shares[kind][0] = 1.0
        share = (UNREGISTERED * PRIOR + nobody.sum()) / (PRIOR + len(np.unique(record)))
        beside = (OTHERS_AT_DOOR * PRIOR + others.sum()) / (PRIOR + chance[_at_door(evidence)].sum())
        model = MatchModel(shares, float(np.clip(share, 0.002, 0.5)), float(np.clip(beside, 0.002, 0.5)))
    return model


def _levels(evidence: Evidence) -> dict[str, np.ndarray]:
    """Return the level of each pair for each kind of ``TRUE_SHARES``; 0 (unsaid) where the kind isn't the pair's."""
    levels = {f"door {form}": np.where(evidence.whole == form, evidence.door, 0) for form in range(3)}
    levels |= {f"name {form}": np.where(evidence.form == form, evidence.name, 0) for form in range(3)}
    return levels | {
        f"phone {form}": np.where(evidence.hidden == form, evidence.phone, 0) for form in range(2)
    }


def _at_door(evidence: Evidence) -> np.ndarray:
    """Tell which pairs agree in the door while the record names a person or a telephone: bool [pairs]."""
    return np.isin(evidence.door, (1, 2)) & ((evidence.name > 0) | (evidence.phone > 0))


def chances(
    model: MatchModel, record: np.ndarray, evidence: Evidence, households: int, shared_name: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute how likely each pair is true, and for each record how likely its household isn't registered.

    model, record, evidence, households, shared_name: as in ``fit``.

    Returns float64 [pairs] in [0, 1]; the chances of one record's pairs sum to at most 1. Twice float64 [max(record)
    + 1]: that nobody of the register is meant, and that it is somebody else at a registered door.
    """
    weight = {kind: model.shares[kind][level] for kind, level in _levels(evidence).items()}
    place = np.where((evidence.door > 0) & (evidence.door < 5), evidence.place, 0)
    door = np.prod([weight[f"door {form}"] for form in range(3)], axis=0)
    door = door * PLACE_SHARES[place] / evidence.by_chance["door"]
    person = np.prod([share for kind, share in weight.items() if not kind.startswith("door")], axis=0)
    person = person / evidence.by_chance["name"] / evidence.by_chance["phone"]
    registered = (1 - model.unregistered) / households * door * person
    others = np.where(_at_door(evidence), (1 - model.unregistered) * model.others / households * door, 0.0)
    size = int(record.max()) + 1 if len(record) else 0
    nobody = np.full(size, model.unregistered)
    for agrees, share in (
        (evidence.phone == 1, SHARED_PHONE),
        ((evidence.name == 1) & (evidence.form == 0), shared_name),
        (np.isin(evidence.door, (1, 2)) & evidence.named, SHARED_DOOR),
        (np.isin(evidence.door, (1, 2)) & ~evidence.named, DOOR_ALONE),
    ):
        nobody *= np.where(np.bincount(record[agrees], minlength=size) > 0, share, 1.0)
    beside = np.bincount(record, others, size)
    total = nobody + beside + np.bincount(record, registered, size)
    return registered / total[record], nobody / total, beside / total
