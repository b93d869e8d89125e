"""What is known of visits by now: the outcomes that count, and what was said beside them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from service.web.intake import outcomes, remarks
from service.web.intake.counted import Counted, counted
from service.web.intake.remarks import CLOSES, Said
from service.web.published.state import state_of


@dataclass(frozen=True)
class Results:
    """What is known of visits by now: outcomes that count and words, by outreach_id, and the newest outcome's id."""

    outcomes: dict[str, Counted]
    said: dict[str, Said]
    newest: int

    def finished(self, row: dict[str, Any]) -> bool:
        """Tell whether nothing is left to ask: there is an outcome, or the need is not this household's."""
        remark = self.said.get(row["outreach_id"])
        return row["outreach_id"] in self.outcomes or bool(remark and remark.kind in CLOSES)


def results(request: Request, rows: Iterable[dict[str, Any]]) -> Results:
    """Return what is known by now of the visits of these rows of lists."""
    rows, state = list(rows), state_of(request)
    with state.database.reading() as session:
        return Results(
            counted(session, state.settings.workspace, rows),
            remarks.in_force(session, [row["outreach_id"] for row in rows]),
            outcomes.newest(session),
        )
