"""The auditor's page: who looked at what and why, and whether the log is complete."""

from datetime import datetime, tzinfo
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from features.language import say
from service.web.audit.log import newest_entries, verify
from service.web.auth.identities import SignedIn
from service.web.base.access import Scope, permit_everywhere
from service.web.pages import overview
from service.web.pages.frame import page
from service.web.pages.household import HOUSEHOLD
from service.web.pages.visits import LIST
from service.web.published.reading import note
from service.web.published.state import state_of

router = APIRouter(include_in_schema=False)
PURPOSE = "审计页 audit page"  # why it reads, in the audit log
AT_ONCE = 100
# purposes that the service's own pages give, two of them in visits.js; each is stored in both languages
OWN_PURPOSES = (
    HOUSEHOLD,
    LIST,
    "走访页面 visits page",
    "备用离线 kept for offline use",
    overview.PURPOSE,
    PURPOSE,
)
Filter = Annotated[str, Query(max_length=120)]


@router.get("/audit")
def audit(
    request: Request,
    asker: SignedIn,
    household_id: Filter = "",
    who: Filter = "",
    before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
    check: bool = False,
) -> Response:
    """Show the newest entries, of one household or person if one is given; ``check`` verifies the whole chain."""
    permit_everywhere(asker, Scope.AUDIT)
    request.state.purpose = PURPOSE
    household_id, who = household_id.strip(), who.strip()
    database = state_of(request).database
    entries = newest_entries(database, household_id or None, who or None, before, AT_ONCE)
    note(request, asker, "audit.read", household_id)
    zone = state_of(request).shelf.now().tzinfo
    return page(
        request,
        asker,
        "audit.html",
        entries=[
            (
                entry,
                _local(entry.at, zone),
                entry.subject.strip().split("\n"),
                _detail(entry.action, entry.detail),
            )
            for entry in entries
        ],
        household_id=household_id,
        who=who,
        more=entries[-1].number if len(entries) == AT_ONCE else None,
        verified=verify(database, state_of(request).settings.workspace) if check else None,
        actions=actions(),
        purposes={purpose: say(*purpose.split(" ", 1)) for purpose in OWN_PURPOSES},
    )


def _local(at: str, zone: tzinfo | None) -> str:
    return f"{datetime.fromisoformat(at).astimezone(zone):%Y-%m-%d %H:%M:%S}"


def actions() -> dict[str, str]:
    """Name each kind of entry."""
    return {
        "visits.read": say("看名单", "read a list"),
        "visit.read": say("看一户", "read a household"),
        "visits.export": say("导出名单", "exported a list"),
        "scores.read": say("看评分", "read scores"),
        "explanation.read": say("看评分依据", "read an explanation"),
        "outcomes.read": say("看走访结果", "read outcomes"),
        "outcome.write": say("登记结果", "recorded an outcome"),
        "outcome.undo": say("撤销结果", "took an outcome back"),
        "request.write": say("登记诉求", "recorded a request"),
        "feedback.write": say("登记反馈", "recorded feedback"),
        "visit.reassign": say("转给同事", "handed a visit over"),
        "feedback.read": say("看反馈", "read feedback"),
        "live.score": say("即时评分", "scored live"),
        "session.open": say("登录", "signed in"),
        "session.close": say("退出", "signed out"),
        "session.failed": say("登录失败", "failed to sign in"),
        "session.locked": say("登录被暂停", "sign-in was locked"),
        "refused": say("被拒绝", "was refused"),
        "users.add": say("新增账号", "added a person"),
        "users.password": say("换密码", "set a password"),
        "users.block": say("停用账号", "shut a person out"),
        "users.unblock": say("恢复账号", "let a person in again"),
        "users.second_factor": say("开通两步登录", "set a second factor"),
        "keys.create": say("新建密钥", "made a key"),
        "keys.revoke": say("吊销密钥", "revoked a key"),
        "model.retrain": say("训练模型", "trained a model"),
        "model.borrow": say("借用模型", "borrowed a model"),
        "model.promote": say("启用模型", "put a model in force"),
        "model.rollback": say("退回模型", "took a model back"),
        "workspace.backup": say("备份", "made a backup"),
        "workspace.restore": say("恢复备份", "restored a backup"),
        "audit.journal_lost": say("日志文件丢失", "a journal was lost"),
        "audit.set_aside": say("日志行被搁置", "a line was set aside"),
        "audit.read": say("看审计日志", "read the audit log"),
        "outreach.trace": say("查一行名单的来去", "traced a row of a list"),
        "database.migrate": say("升降数据库", "changed the database's version"),
        "resident.why": say("查为什么上名单", "asked why it is listed"),
        "resident.refuse": say("登记谢绝", "noted a refusal"),
        "resident.accept": say("收回谢绝", "ended a refusal"),
        "resident.export": say("导出一户的资料", "exported a household"),
        "resident.correct": say("更正资料", "corrected data"),
        "resident.ask_deletion": say("要求删除", "asked for deletion"),
        "resident.delete": say("删除", "deleted a household"),
    }


def _detail(action: str, detail: str) -> str:
    """Say an entry's detail: the words that the service itself writes, and whoever was added with what role."""
    login, _, rest = detail.partition(" ")
    role, _, place = rest.partition(" ")
    if action == "users.add":
        return " ".join(filter(None, (login, _role_names().get(role, role), place)))
    ways = {
        "password": say("用密码", "password"),
        "single sign-on": say("用统一认证", "single sign-on"),
        "everywhere": say("全部设备", "everywhere"),
    }
    return ways.get(detail, detail) if action.startswith("session.") else detail


def _role_names() -> dict[str, str]:
    return {
        "grid_worker": say("网格员", "grid worker"),
        "coordinator": say("社区统筹", "coordinator"),
        "data_staff": say("数据员", "data staff"),
        "auditor": say("审计员", "auditor"),
    }
