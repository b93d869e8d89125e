"""Look back at the past: what each partition of a town contributes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from features.blocks.build import town_span
from features.language import LANGUAGES, in_language, language, speaking
from features.point_in_time.records import Known, Records, known_before
from features.point_in_time.town import TownSummary
from features.store.partitions import Partitions
from models.monitoring.monitor import Asked, Came, Seen, Span
from models.monitoring.reason_quality import Returned, returned
from models.monitoring.visits_made import VisitsMade, days_told, visits_made
from models.scoring.executors import Each, local
from service.lists.feedback_week import FeedbackWeek, feedback_week

NO_LIST = pd.DataFrame(columns=["outreach_id", "reason_kinds", "worker_id"], dtype=object)


@dataclass(frozen=True)
class Looked:
    """What a look back finds about the households that live in a partition."""

    seen: Seen
    asked: Asked
    came: Came
    visits: VisitsMade
    feedback: dict[str, FeedbackWeek]  # in each language, without the quality of reasons
    returned: Returned


def look(records: Records, known: Known, then: Callable[[int], Known], spans: Sequence[Span]) -> Looked:
    """Look back at the households that live in a partition.

    ``records``: all that is stored by now, for what came back from lists. ``known``: what
    was known on the day of the look back. ``then``: gives what was known at each of ``visits_made.days_told``.
    ``spans``: the spans of past demand, pairs of days [begins, ends).
    """
    back = returned(records)
    return Looked(
        Seen.of(known),
        Asked.of(known),
        Came.of(known, spans),
        visits_made(known, then),
        {language: in_language(language, feedback_week, known, NO_LIST, back) for language in LANGUAGES},
        back,
    )


@dataclass(frozen=True)
class LookAtPartition:
    """The task of looking back at a partition, which is given by its number.

    ``towns``: what groups need of the whole town at each of ``days_told``, where there are several partitions.
    """

    town: Partitions
    as_of: int
    spans: Sequence[Span]
    towns: dict[int, TownSummary]
    language: str

    def __call__(self, number: int) -> Looked:
        """Look at one partition."""
        records = self.town.own(number, self.as_of)

        def then(day: int) -> Known:
            return known_before(records, day, self.towns.get(day))

        with speaking(self.language):
            return look(records, then(self.as_of), then, self.spans)


def look_at_town(town: Partitions, as_of: int, spans: Sequence[Span], each: Each = local) -> list[Looked]:
    """Look back at every partition of a town.

    ``as_of``: day of the look back. ``spans``: as in ``look``. ``each`` calls a task for every partition.
    """
    towns: dict[int, TownSummary] = {}
    if len(town) > 1:
        sample = town.read(town.sample)
        towns = {day: town_span(known_before(sample, day)) for day in days_told(as_of)}
    return list(each(LookAtPartition(town, as_of, spans, towns, language()), range(len(town))))
