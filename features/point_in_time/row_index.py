"""Which rows of a table are a household's own, found once for all of them: a fact then reads no more than these."""

from collections.abc import Callable

import numpy as np

from features.point_in_time.records import Known, remember


class Grouped:
    """Positions of rows by a whole number that each has; rows of a number are in their own order."""

    def __init__(self, number: np.ndarray, count: int) -> None:
        self.order = np.argsort(number, kind="stable")
        self.begins = np.searchsorted(number[self.order], np.arange(count + 1))

    def of(self, number: int) -> np.ndarray:
        """int64: positions of the rows of ``number``, ascending; none for a negative one."""
        if number < 0:
            return self.order[:0]
        return self.order[self.begins[number] : self.begins[number + 1]]


def own_requests(known: Known, household: int) -> np.ndarray:
    """int64: a household's rows of ``known.requests``, ascending."""
    return _of(known, "requests", lambda: known.requests.household, household)


def own_visits(known: Known, household: int) -> np.ndarray:
    """int64: a household's rows of ``known.outreach``, ascending."""
    return _of(known, "outreach", lambda: known.outreach.household, household)


def own_residents(known: Known, household: int) -> np.ndarray:
    """int64: the current rows of ``known.residents`` that are a household's, in the order of ``resident_rows``."""
    rows = known.resident_rows
    return rows[_of(known, "residents", lambda: known.residents.household[rows], household)]


def _of(known: Known, table: str, who: Callable[[], np.ndarray], household: int) -> np.ndarray:
    made = remember(known, ("rows by household", table), lambda: Grouped(who(), known.household_count))
    return made.of(household)
