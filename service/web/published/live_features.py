"""Scores of rows of features, as the registered model takes them."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from features.language import say
from service.web.base.access import Identity, Scope, permit, sees_need
from service.web.base.problems import Problem
from service.web.published.weeks import Week

if TYPE_CHECKING:
    from service.web.published.live import Live

MOST_CELLS = 2_000_000


def live_of(week: Week) -> "Live":
    """What scores live. Raises a problem where the week was published without it."""
    if week.said.get("in_parts"):
        line = say(
            "分片的大社区没有实时评分和解释，请用每周的评分和名单",
            "a large town in parts has no live scores or explanations: use the week's scores and lists",
        )
        raise Problem(409, "not-live", line, week.as_of)
    if week.live is None:
        raise Problem(409, "not-live", say("请先运行 xianying score", "run xianying score first"), week.as_of)
    return week.live


@dataclass(frozen=True)
class Asked:
    """Rows to score."""

    live: "Live"
    needs: list[str]
    matrix: np.ndarray  # float32 [rows, columns]


def rows_asked(state: Any, identity: Identity, body: bytes, as_of: str | None) -> Asked:
    """The rows of a body. Nothing in it says whose they are, so that there is nothing to log.

    Raises Forbidden, or a problem for rows that are not as they should be.
    """
    permit(identity, Scope.LIVE)
    week = state.shelf.served.week(as_of)
    live = live_of(week)
    needs, matrix = _matrix(body, live.columns)
    known = live.state.community.need_index()
    if not all(one in known and sees_need(identity, one in week.sensitive) for one in needs):
        raise _wrong(say("没有这项需求", "no such need"))
    return Asked(live, needs, matrix)


def as_answer(p_request: np.ndarray) -> bytes:
    """Probabilities as JSON."""
    return orjson.dumps({"p_request": p_request.tolist()})


class Together:
    """Scores requests that are there at the same moment in one go: most of a small one's time is the beginning."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Asked, asyncio.Future[np.ndarray]]] = []

    async def p_request(self, asked: Asked) -> np.ndarray:
        """float64 per row asked."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[np.ndarray] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._score)
        self._waiting.append((asked, answer))
        return await answer

    def _score(self) -> None:
        from models.estimators.logistic import FEW_ROWS

        waiting, self._waiting = self._waiting, []
        while waiting:
            live, rows = waiting[0][0].live, 0
            group: list[tuple[Asked, asyncio.Future[np.ndarray]]] = []
            while (
                waiting
                and waiting[0][0].live is live
                and (not group or rows + len(waiting[0][0].needs) <= FEW_ROWS)
            ):
                group.append(waiting.pop(0))
                rows += len(group[-1][0].needs)
            _answer(live, group)


def _answer(live: "Live", group: list[tuple[Asked, asyncio.Future[np.ndarray]]]) -> None:
    try:
        matrix = np.concatenate([asked.matrix for asked, _ in group])
        found = live.p_request(matrix, [need for asked, _ in group for need in asked.needs])
    except Exception as error:  # told to each of those who wait
        for _, answer in group:
            if not answer.done():
                answer.set_exception(error)
        return
    begin = 0
    for asked, answer in group:
        end = begin + len(asked.needs)
        if not answer.done():
            answer.set_result(found[begin:end])
        begin = end


def _wrong(words: str) -> Problem:
    return Problem(422, "invalid", say("请求的内容不对", "the request is not valid"), words)


def _matrix(body: bytes, names: list[str]) -> tuple[list[str], np.ndarray]:
    """Needs and the float32 matrix of a body; a problem for one that is not as it should be."""
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
