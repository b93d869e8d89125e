"""The route by which auditors read the audit log."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from service.web.audit.log import newest_entries
from service.web.auth.identities import Asker
from service.web.base.access import Scope, permit_everywhere
from service.web.published.reading import note
from service.web.published.state import state_of

router = APIRouter(prefix="/v1", tags=["模型与审计 models and audit"])


class AuditEntry(BaseModel):
    """One line of the audit log."""

    number: int
    at: str
    who: str
    action: str
    subject: str
    purpose: str
    detail: str
    hash: str


@router.get("/audit", summary="审计日志：谁、什么时候、为什么看了或改了什么")
def entries(
    request: Request,
    asker: Asker,
    household_id: Annotated[str | None, Query(min_length=1, max_length=100)] = None,
    who: Annotated[str | None, Query(max_length=120, examples=["user:li"])] = None,
    before: Annotated[int | None, Query(ge=1, le=2**62, description="只要编号小于它的")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> list[AuditEntry]:
    """List the newest entries first; those of the last second may not be included yet."""
    permit_everywhere(asker, Scope.AUDIT)
    logged = newest_entries(state_of(request).database, household_id, who, before, limit)
    note(request, asker, "audit.read", household_id or "")
    return [AuditEntry.model_validate(entry, from_attributes=True) for entry in logged]
