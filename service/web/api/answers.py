"""Parameters and error answers that several routes share."""

from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel


class ProblemDetails(BaseModel):
    """Problem details of RFC 9457."""

    type: str
    title: str
    status: int
    detail: str | None = None


def problem(description: str) -> dict[str, Any]:
    """Return the OpenAPI description of a problem answer."""
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": ProblemDetails.model_json_schema()}},
    }


ALWAYS: dict[int | str, dict[str, Any]] = {
    401: problem("没有登录，或密钥无效"),
    403: problem("没有权限，或这一户说过不要再来"),
    422: problem("请求内容不对"),
    429: problem("请求太多"),
    503: problem("数据库或磁盘出错，什么都没有保存"),
}
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: problem("没有这一户，或没有这一周（说明有哪些周）")}


HouseholdId = Annotated[str, Path(min_length=1, max_length=100, examples=["h00042"], description="户号")]
AsOf = Annotated[
    str | None,
    Query(
        pattern=r"^\d{4}-\d{2}-\d{2}$", description="哪一周的周一（默认最新一周）", examples=["2025-09-01"]
    ),
]
