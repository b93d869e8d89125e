"""Routes for the week's lists: households to visit, page by page or as a file."""

import base64
import binascii
import hashlib
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from features.alphabet import no_formula
from service.web.api.answers import NOT_FOUND, AsOf
from service.web.auth.identities import Asker
from service.web.base.access import Identity, Role, Scope, permit, sees_risk
from service.web.base.problems import Problem
from service.web.published.reading import note, note_on_loop, rows_in_sight, week_asked
from service.web.published.state import state_of
from service.web.published.weeks import Week

router = APIRouter(prefix="/v1/visits", tags=["走访名单 visits"])
MOST = 500
FOR_PEOPLE = ("contact", "members")  # where somebody lives: for those who go there, not for other systems
KINDS = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
PLAIN_TEXTS = {"strings_to_formulas": False, "strings_to_urls": False}  # of xlsx files
Text = Annotated[str | None, Query(min_length=1, max_length=100)]


class Visit(BaseModel):
    """A household and a need to ask about."""

    outreach_id: str = Field(examples=["20250901-1a2b3c4d5e6f"])
    as_of: str
    worker_id: str | None
    grid_id: str
    microgrid_id: str
    household_id: str
    need: str
    visit_order: int
    arm: Literal["targeted", "random"]
    propensity: float | None = Field(description="抽签走访被抽中的概率")
    reason: str = Field(examples=["孩子8岁，双职工，去年6月申请过暑托"])
    why: str = Field("", description="每条理由及其依据的记录")
    reason_kinds: str = ""
    model_version: str
    p_need: float | None = None
    tier: str | None = Field(None, description="红黄绿；有权查看的人才有")
    programme: str = ""
    ask: str = ""
    last_contact: str = ""
    worker_name: str = ""
    contact: str | None = None
    members: str | None = None


class Visits(BaseModel):
    """One page of a list."""

    as_of: str
    total: int
    visits: list[Visit]
    next: str | None = Field(description="下一页的 cursor；没有下一页时为空")


@dataclass(frozen=True)
class Filter:
    """The values that the rows asked for must have."""

    grid_id: Text = None
    microgrid_id: Text = None
    need: Text = None
    tier: Annotated[Literal["red", "yellow", "green"] | None, Query(description="风险档")] = None
    arm: Annotated[Literal["targeted", "random"] | None, Query(description="定向或抽签")] = None
    worker_id: Text = None
    household_id: Text = None


Wanted = Annotated[Filter, Depends()]


def selected(request: Request, asker: Identity, week: Week, wish: Filter) -> list[dict[str, Any]]:
    """Return the rows in sight that match a filter, without the fields that the asker may not see.

    Raises Forbidden for a filter on tiers by somebody who may not see them.
    """
    shows_risk = sees_risk(asker, week.community)
    if wish.tier and not shows_risk:
        permit(asker, Scope.SENSITIVE)
    fixed = {name: value for name, value in vars(wish).items() if value is not None}
    hidden = {
        "coordinator",
        "role",
        "translated",
        *(() if shows_risk else ("tier",)),
        *(FOR_PEOPLE if asker.role == Role.MACHINE else ()),
    }
    return [
        {name: value for name, value in row.items() if name not in hidden}
        for row in rows_in_sight(request, asker, week)
        if all(row.get(name) == value for name, value in fixed.items())
    ]


def _tag(request: Request, asker: Identity, week: Week, *parts: object) -> str:
    state = state_of(request)
    version = (
        week.directory.name,
        state.shelf.served.revision,
        state.restrictions.version,
        asker.who,
        *parts,
    )
    return f'W/"{hashlib.sha256(repr(version).encode()).hexdigest()[:24]}"'


def _after(rows: list[dict[str, Any]], cursor: str | None, as_of: str) -> int:
    """Return the position where a cursor's page begins; raise a problem for one not made here or for another list."""
    if cursor is None:
        return 0
    try:
        week, last = orjson.loads(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, TypeError, binascii.Error) as error:
        raise Problem(422, "invalid", "cursor 不对", "this is no cursor of ours") from error
    place = next((index for index, row in enumerate(rows) if row["outreach_id"] == last), None)
    if week != as_of or place is None:
        raise Problem(
            409,
            "list-changed",
            "名单已重新生成，请从第一页再取",
            "the list was made anew: begin with the first page",
        )
    return place + 1


@router.get(
    "",
    summary="需要走访的住户（可按网格、需求、风险档、周筛选）",
    responses={200: {"model": Visits}, 304: {"description": "与 If-None-Match 相同"}, **NOT_FOUND},
)
async def visits(
    request: Request,
    asker: Asker,
    wish: Wanted,
    as_of: AsOf = None,
    cursor: Annotated[str | None, Query(max_length=300, description="上一页的 next")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
) -> Response:
    """List the households to visit in a week, in the order of the lists."""
    permit(asker, Scope.SCORES)
    week = week_asked(request, asker, as_of)
    tag = _tag(request, asker, week, wish, cursor, limit)
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"ETag": tag})
    rows = selected(request, asker, week, wish)
    begin = _after(rows, cursor, week.as_of)
    page = rows[begin : begin + limit]
    more = begin + limit < len(rows)
    token = base64.urlsafe_b64encode(orjson.dumps([week.as_of, page[-1]["outreach_id"]])) if more else None
    if page:
        await note_on_loop(
            request, asker, "visits.read", dict.fromkeys(row["household_id"] for row in page), week.as_of
        )
    content = {"as_of": week.as_of, "total": len(rows), "visits": page, "next": token and token.decode()}
    return Response(
        orjson.dumps(content),
        media_type="application/json",
        headers={"ETag": tag, "Cache-Control": "private, no-cache"},
    )


@router.get(
    "/export",
    summary="把名单导出为 xlsx、csv 或 parquet",
    responses={200: {"content": {kind: {} for kind in KINDS.values()}}, **NOT_FOUND},
    response_class=Response,
)
def export(
    request: Request,
    asker: Asker,
    wish: Wanted,
    format: Annotated[Literal["xlsx", "csv", "parquet"], Query(description="文件格式")] = "xlsx",
    as_of: AsOf = None,
) -> Response:
    """Return all rows that the asker may see, as one file."""
    permit(asker, Scope.SCORES)
    week = week_asked(request, asker, as_of)
    rows = selected(request, asker, week, wish)
    note(request, asker, "visits.export", dict.fromkeys(row["household_id"] for row in rows), week.as_of)
    return Response(
        as_file(rows, format, asker.who),
        media_type=KINDS[format],
        headers={"Content-Disposition": f'attachment; filename="visits-{week.as_of}.{format}"'},
    )


def as_file(rows: list[dict[str, Any]], kind: str, who: str) -> bytes:
    """Rows as a file. A text that Excel would take for a formula is kept a text.

    Every row says who made the file and when, and so does a printed sheet: a copy of it can be traced.
    """
    import pandas as pd

    frame = pd.DataFrame(rows, columns=[name for name in Visit.model_fields if not rows or name in rows[0]])
    at = datetime.now(UTC).isoformat(timespec="seconds")
    frame = frame.assign(exported_by=who, exported_at=at)
    content = io.BytesIO()
    if kind == "parquet":
        frame.to_parquet(content, index=False)
    elif kind == "csv":
        texts = frame.select_dtypes(exclude="number")
        frame[texts.columns] = texts.map(no_formula)
        content.write(frame.to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig"))
    else:
        with pd.ExcelWriter(
            content,
            engine="xlsxwriter",
            engine_kwargs={"options": PLAIN_TEXTS},
        ) as writer:
            frame.to_excel(writer, index=False, sheet_name="visits")
            writer.sheets["visits"].set_footer(f"&L{who.replace('&', '&&')} {at}&R&P / &N")
    return content.getvalue()
