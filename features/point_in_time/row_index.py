"""Find the rows of a table that belong to a household; the index is made once for all households."""

import numpy as np

from features.point_in_time.records import Known
from features.point_in_time.remembered import remembered


class Grouped:
    """Positions of rows grouped by a whole number that each row has, such as its household."""

    def __init__(self, number: np.ndarray, count: int) -> None:
        self.order = np.argsort(number, kind="stable")
        self.begins = np.searchsorted(number[self.order], np.arange(count + 1))

    def of(self, number: int) -> np.ndarray:
        """Return the positions of the rows with this number, ascending: int64; none for a negative number."""
        if number < 0:
            return self.order[:0]
        return self.order[self.begins[number] : self.begins[number + 1]]


def own_requests(known: Known, household: int) -> np.ndarray:
    """List a household's rows of ``known.requests``, ascending: int64."""
    return _requests_by_household(known).of(household)


def own_visits(known: Known, household: int) -> np.ndarray:
    """List a household's rows of ``known.outreach``, ascending: int64."""
    return _visits_by_household(known).of(household)


def own_residents(known: Known, household: int) -> np.ndarray:
    """List the current rows of ``known.residents`` for a household: int64, in the order of ``resident_rows``."""
    return known.resident_rows[_residents_by_household(known).of(household)]


@remembered
def _requests_by_household(known: Known) -> Grouped:
    return Grouped(known.requests.household, known.household_count)


@remembered
def _visits_by_household(known: Known) -> Grouped:
    return Grouped(known.outreach.household, known.household_count)


@remembered
def _residents_by_household(known: Known) -> Grouped:
    return Grouped(known.residents.household[known.resident_rows], known.household_count)
