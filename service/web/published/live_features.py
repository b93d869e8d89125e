"""Score rows of features in the form that the registered model takes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import orjson

from features.language import say
from service.web.base.access import Identity, Scope, permit
from service.web.base.filters import refuse_unless_known
from service.web.base.problems import Problem
from service.web.published.reading import needs_in_sight
from service.web.published.state import ServiceState
from service.web.published.weeks import Week

if TYPE_CHECKING:
    from service.web.published.live import Live

MOST_CELLS = 2_000_000


def live_of(week: Week) -> "Live":
    """Return the week's model and town. Raises a problem when the week was published without them."""
    if week.live is None:
        raise Problem(
            409, "not-live", "请先运行 xianying score", "run xianying score first", detail=week.as_of
        )
    return week.live


@dataclass(frozen=True)
class RowsToScore:
    """The rows to score."""

    live: "Live"
    needs: list[str]
    matrix: np.ndarray  # float32 [rows, columns]


def rows_to_score(state: ServiceState, identity: Identity, body: bytes, as_of: str | None) -> RowsToScore:
    """Read the rows of a request's body, after checking that the identity may score.

    ``as_of``: the week, the newest by default. Nothing in the body says whose rows they are, so there is nothing to
    log. Raises Forbidden, or a problem when the body is not as it should be or names a need out of sight.
    """
    permit(identity, Scope.LIVE)
    week = state.shelf.served.week(as_of)
    live = live_of(week)
    needs, matrix = _matrix(body, live.columns)
    known = needs_in_sight(identity, week)
    for need in dict.fromkeys(needs):
        refuse_unless_known("need", need, known)
    return RowsToScore(live, needs, matrix)


def as_answer(p_request: np.ndarray) -> bytes:
    """Write probabilities as JSON."""
    return orjson.dumps({"p_request": p_request.tolist()})


def _wrong(words: str) -> Problem:
    return Problem(422, "invalid", "填的内容不对", "the request is not valid", detail=words)


def _matrix(body: bytes, names: list[str]) -> tuple[list[str], np.ndarray]:
    """Read needs and the float32 [rows, features] matrix from a body; raise a problem for a wrong one."""
    try:
        given = orjson.loads(body)["dataframe_split"]
        columns, data = list(given["columns"]), list(given["data"])
        place = columns.index("need")
        needs = [str(row[place]) for row in data]
        if columns[:place] + columns[place + 1 :] == names:
            plain = (
                [row[1:] for row in data] if place == 0 else [row[:place] + row[place + 1 :] for row in data]
            )
        else:
            order = [columns.index(name) for name in names]
            plain = [[row[index] for index in order] for row in data]
        if len(data) * len(names) > MOST_CELLS:
            raise _wrong(say("行数太多", "too many rows"))
        matrix = np.array(plain, dtype=np.float32).reshape(len(needs), len(names))
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise _wrong(
            say(
                "要有 dataframe_split：columns（need 和模型的特征）与 data",
                "dataframe_split with columns (need and the model's features) and data is needed",
            )
        ) from error
    return needs, matrix
