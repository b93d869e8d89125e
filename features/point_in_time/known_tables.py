"""What ``Known`` holds besides the contract's tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from features.rows.tables import FeedbackRows, OptOutRows, RequestRows


@dataclass(frozen=True)
class AttributeTexts:
    """The distinct texts of each attribute column: a code book that all as-of days share and that says nothing of any
    household; the codes of ``Known`` point into it."""

    households: Mapping[str, np.ndarray]  # object str by attribute
    residents: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Recordings:
    """Requests as they were first recorded and as they were corrected, up to the as-of day, oldest recording first."""

    request_id: np.ndarray  # str
    requested: np.ndarray  # float64 days
    visible_from: np.ndarray  # float64 days


@dataclass(frozen=True)
class Objections:
    """What residents and workers said up to now of being listed, whatever the as-of day.

    The one thing of ``Known`` that reaches past its date, and only ever leaves a household out: a list that is made
    again for an earlier week must respect a refusal that came since. No feature, label or model reads it.
    """

    feedback: "FeedbackRows"
    opt_outs: "OptOutRows"
    left_on: np.ndarray  # float64 days per household: since when it is there no longer; inf where it is


def recordings(rows: "RequestRows", as_of: float) -> Recordings:
    """Take the recordings before day ``as_of`` from all rows of the requests, corrected ones included."""
    end = int(np.searchsorted(rows.visible_from, as_of, side="left"))
    return Recordings(rows.request_id[:end], rows.requested[:end], rows.visible_from[:end])
