"""What a look back takes from a town in one piece, or from each part of a large one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from features.blocks.build import town_span
from features.language import LANGUAGES, in_language, speaking
from features.point_in_time.records import Known, Records, known_before
from features.point_in_time.town import TownSummary
from features.store.partitions import Parts
from models.monitoring.monitor import Asked, Came, Seen, Span
from models.monitoring.reason_quality import Returned, returned
from models.monitoring.visits_made import VisitsMade, days_told, visits_made
from service.lists.feedback_week import FeedbackWeek, feedback_week

NO_LIST = pd.DataFrame(columns=["outreach_id", "reason_kinds", "worker_id"], dtype=object)


@dataclass(frozen=True)
class Looked:
    """Of a town, or of the households that live in a part of it."""

    seen: Seen
    asked: Asked
    came: Came
    visits: VisitsMade
    feedback: dict[str, FeedbackWeek]  # in each language, without the quality of reasons
    returned: Returned


def look(records: Records, known: Known, then: Callable[[int], Known], spans: Sequence[Span]) -> Looked:
    """Look at a town, or at who lives in a part of it.

    ``records``: all that there is by now, for the number of rows and what came back. ``then`` gives what was known at
    each of ``visits_made.days_told``. ``spans``: of past demand.
    """
    back = returned(records)
    return Looked(
        Seen.of(records, known),
        Asked.of(known),
        Came.of(known, spans),
        visits_made(known, then),
        {one: in_language(one, feedback_week, known, NO_LIST, back) for one in LANGUAGES},
        back,
    )


def look_at_town(records: Records, as_of: int, spans: Sequence[Span]) -> Looked:
    """Of a town in one piece."""
    return look(records, known_before(records, as_of), partial(known_before, records), spans)


@dataclass(frozen=True)
class LookAtPart:
    """Of a part, by its number; to be called in another process."""

    parts: Parts
    as_of: int
    spans: Sequence[Span]
    towns: dict[int, TownSummary]  # by day
    language: str

    def __call__(self, number: int) -> Looked:
        """Of one part."""
        records = self.parts.own(number, self.as_of)

        def then(day: int) -> Known:
            return known_before(records, day, self.towns[day])

        with speaking(self.language):
            return look(records, then(self.as_of), then, self.spans)


def groups_of_sample(parts: Parts, as_of: int) -> dict[int, TownSummary]:
    """What groups take from the whole town at each of ``days_told``, from the parts of the sample."""
    sample = parts.read(parts.sample)
    return {day: town_span(known_before(sample, day)) for day in days_told(as_of)}
