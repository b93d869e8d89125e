"""Which pairs of household and need exist at an as-of date, and the Mondays that serve as as-of dates.

A household that opted out stays in the cohort: it may still ask, and its requests teach the model; the lists
leave it out by ``Known.opted_out``.
"""

import unicodedata

import numpy as np

from features.contract import attribute_values as values
from features.contract.attribute_values import Texts
from features.contract.eligibility import parse
from features.point_in_time.ages import aggregates
from features.point_in_time.records import Known, Rows
from features.point_in_time.remembered import remembered
from features.point_in_time.schema import BIRTH, age_name
from features.units import JULIAN_YEAR

MONDAY = 4  # 1970-01-05, in days since 1970-01-01


class KnownAttributes:
    """What an eligibility expression may name: current attributes, ages, and numbers of residents."""

    def __init__(self, known: Known) -> None:
        self._known = known
        columns = known.households.attributes
        self._columns = {unicodedata.normalize("NFKC", name): name for name in columns}
        births = {name: BIRTH.match(name) for name in self._columns.values()}
        self._ages = {
            age_name(birth["person"] or birth["zh"] or ""): name for name, birth in births.items() if birth
        }
        self._residents = list(aggregates(known)) if known.has_residents else []

    def names(self) -> list[str]:
        """List the attributes, then the ages from birth attributes, then the numbers of residents."""
        return list(dict.fromkeys([*self._columns.values(), *self._ages, *self._residents]))

    def find(self, name: str) -> Texts | np.ndarray | None:
        """Return the current values of a name per household, an attribute first; None for an unknown name."""
        plain = unicodedata.normalize("NFKC", name)
        if plain in self._columns:
            return self._texts(self._columns[plain])
        if plain in self._ages:
            texts = self._texts(self._ages[plain])
            return np.floor((self._known.as_of - texts.gather(values.births(texts.distinct))) / JULIAN_YEAR)
        return aggregates(self._known)[plain] if plain in self._residents else None

    def _texts(self, name: str) -> Texts:
        column = self._known.households.attributes[name]
        codes = np.append(column.codes, column.codes.dtype.type(-1))  # row -1: not known yet
        return Texts(codes[self._known.household_row], column.distinct)


@remembered
def eligible(known: Known) -> np.ndarray:
    """Tell which households are known at the date and can have a need by its ``who``: bool [households, needs].

    Raises UserError where a ``who`` names an attribute that does not exist.
    """
    attributes = KnownAttributes(known)
    able = np.empty((known.household_count, len(known.community.needs)), dtype=bool)
    for index, need in enumerate(known.community.needs):
        who = parse(need.who, f"need {need.id}")
        able[:, index] = known.present & who.evaluate(attributes, known.household_count)
    return able


def cohort(known: Known) -> Rows:
    """Return every pair of household and need that is present and eligible, by household, then need."""
    household, need = np.nonzero(eligible(known))
    return Rows(household.astype(np.int32), need.astype(np.int16))
