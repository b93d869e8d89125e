"""Classes of what ``Known`` holds besides the contract's tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from features.rows.tables import FeedbackRows, OptOutRows, RequestRows


@dataclass(frozen=True)
class AttributeTexts:
    """The distinct texts of each attribute column, to which the codes in ``Known`` point.

    All as-of days share these code books; they say nothing about any single household.
    """

    households: Mapping[str, np.ndarray]  # object str by attribute
    residents: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Recordings:
    """All recordings of requests up to the as-of day, the first ones and their corrections, in the order of recording."""

    request_id: np.ndarray  # str
    requested: np.ndarray  # float64 days
    visible_from: np.ndarray  # float64 days


@dataclass(frozen=True)
class Objections:
    """What residents and workers said, up to now, against being listed, whatever the as-of day.

    This alone in ``Known`` reaches past its date, and it can only leave a household out: a list that is made again for an
    earlier week must respect a refusal that came since. No feature, label or model reads it.
    """

    feedback: "FeedbackRows"
    opt_outs: "OptOutRows"
    left_on: np.ndarray  # float64 days per household: since when it is there no longer; inf where it is


def recordings(rows: "RequestRows", as_of: float) -> Recordings:
    """Return the recordings of requests that became known before day ``as_of``, corrected versions included."""
    end = int(np.searchsorted(rows.visible_from, as_of, side="left"))
    return Recordings(rows.request_id[:end], rows.requested[:end], rows.visible_from[:end])
