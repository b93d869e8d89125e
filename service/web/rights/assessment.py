"""Draft the personal information impact assessment (PIPL arts. 55-56), filled with what the system knows."""

from collections import Counter
from datetime import date
from pathlib import Path

from sqlalchemy import func, select

from features.contract.community import Community
from features.language import say
from features.store.reader import read_records, read_settings
from features.store.tombstones import TOMBSTONES, read_tombstones
from service.web.auth.people import keys, users
from service.web.base.access import SCOPES, Role
from service.web.database.engine import Database
from service.web.database.tables import ENDS_RECORDED, Entry, Refusal, now
from service.web.published.model_shelf import read_models
from service.web.rights.fields import check, draft


def assessment(workspace: Path, database: Database, today: date) -> str:
    """Write the draft in Markdown, with marks where people must add something or a lawyer must decide.

    ``today``: the date of the draft.
    """
    community = read_settings(workspace)
    parts = [
        f"# {say('个人信息保护影响评估（草稿）', 'Personal information impact assessment (draft)')}",
        say(
            f"{community.community.name}，{today}。由系统按实际数据和设置生成；标【填写】处由负责人补充，"
            "标【法律】处须由法律顾问判断。本草稿不是法律意见。",
            f"{community.community.name}, {today}. Made by the system from its data and settings; [fill in] is for those"
            " responsible, [legal] for a lawyer. It is no legal opinion.",
        ),
        _purpose(community),
        _data(workspace),
        _decisions(community),
        _people(database),
        _rights(workspace, database),
        _security(database),
        _open_points(workspace, today),
    ]
    return "\n\n".join(parts) + "\n"


def _section(zh: str, en: str, *lines: str) -> str:
    return "\n".join([f"## {say(zh, en)}", "", *lines])


def _purpose(community: Community) -> str:
    needs = [
        f"- {need.name.here}（{need.id}）"
        + say(f"，严重程度 {need.severity}", f", severity {need.severity}")
        + (say("，敏感：仅社区统筹可见", ", sensitive: coordinators only") if need.sensitive else "")
        for need in community.needs
    ]
    return _section(
        "1. 目的、方式是否合法、正当、必要",
        "1. Purpose and manner: lawful, justified, necessary",
        say(
            "目的：估计哪些家庭近期可能需要社区服务，据此安排上门询问的先后。处理方式：自动化评分，由工作人员决定是否上门和提供什么。",
            "Purpose: to estimate which households may need a service soon, and so whom to ask first. Manner: automated"
            " scores; people decide whom to visit and what to offer.",
        ),
        *needs,
        say(
            "【法律】每项目的的合法性基础；【填写】为什么不评分做不到或做得更差（模型与不用模型的比较见模型卡）。",
            "[legal] the ground of each purpose; [fill in] why it cannot be done as well without scores (the model card"
            " compares with simple rankings).",
        ),
    )


def _data(workspace: Path) -> str:
    records = read_records(workspace)
    counts = {
        say("住户", "households"): len(records.household_ids),
        say("居民记录", "rows of residents"): len(records.residents),
        say("诉求", "requests"): len(records.requests),
        say("走访", "visits"): len(records.outreach),
    }
    return _section(
        "2. 处理的个人信息",
        "2. Personal information",
        "；".join(f"{name} {count:,}" for name, count in counts.items()),
        "",
        "```yaml",
        draft(workspace).rstrip(),
        "```",
    )


def _decisions(community: Community) -> str:
    outreach, excluded = community.outreach, say("、", ", ").join(community.features.exclude)
    return _section(
        "3. 自动化决策与对个人权益的影响",
        "3. Automated decisions and what they do to people",
        say(
            f"评分只决定走访先后，不决定资格。{outreach.explore_share:.0%} 的走访由抽签决定，与评分无关。",
            f"Scores order visits; no eligibility depends on them. {outreach.explore_share:.0%} of the visits are drawn"
            " by lot.",
        ),
        say(
            f"不用于模型、仅用于核查公平的属性：{excluded or '无'}。",
            f"Attributes that no model uses, kept to audit fairness: {excluded or 'none'}.",
        ),
        say(
            "可能的影响：被列入名单可能让人觉得被“标记”；漏列者得不到主动询问；敏感需求若泄露会造成伤害。"
            "对策：名单附理由和谢绝方法，敏感需求仅统筹可见，访问全部留痕，分组核查见模型卡。【填写】本社区的其他影响。",
            "Possible harm: being listed may feel like being marked; who is not listed is not asked; a leaked sensitive"
            " need hurts. Against it: reasons and how to refuse on every list, sensitive needs for coordinators only,"
            " every access logged, groups audited in the model card. [fill in] what else applies here.",
        ),
    )


def _people(database: Database) -> str:
    roles = Counter(user.role for user in users(database) if user.active)
    lines = [
        f"- {role.value}: {roles.get(role.value, 0)}"
        + say(" 人；权限 ", " people; scopes ")
        + ", ".join(sorted(SCOPES[role]))
        for role in Role
        if role != Role.MACHINE
    ]
    active = [key for key in keys(database) if key.revoked_at is None and key.expires_at > now()]
    lines += [f"- {person.name}（{person.id}）: {', '.join(person.scopes)}" for person in active]
    return _section("4. 谁能看到什么", "4. Who sees what", *lines)


def _rights(workspace: Path, database: Database) -> str:
    with database.reading() as session:
        noted = select(func.count(func.distinct(Refusal.household_id))).where(ENDS_RECORDED.is_not(True))
        refusals = session.scalar(noted) or 0
    deleted = len(read_tombstones(workspace / TOMBSTONES))
    return _section(
        "5. 个人权利",
        "5. Rights",
        say(
            f"登记谢绝 {refusals} 户，已删除 {deleted} 户。知情、谢绝、查阅复制、更正、删除均有命令和接口"
            "（docs/service.md）。【填写】向居民告知的方式和日期；投诉由谁受理。",
            f"{refusals} households refused, {deleted} were deleted. There are commands and an API to know why, to"
            " refuse, for a copy, correction and deletion. [fill in] how and when residents were told; who handles"
            " complaints.",
        ),
    )


def _security(database: Database) -> str:
    with database.reading() as session:
        entries = session.scalar(select(func.count()).select_from(Entry)) or 0
    return _section(
        "6. 保护措施是否与风险相称",
        "6. Whether the protection fits the risk",
        say(
            f"按网格和角色的行级权限；密码 Argon2id，密钥仅存哈希；审计日志 {entries} 条，逐条链接、不可改动；"
            "数据只在本机或本单位服务器；日志不含个人信息。【填写】服务器、备份的存放与加密；传输是否 https。",
            f"Row-level permissions by grid and role; Argon2id; keys kept as hashes; an audit log of {entries} entries,"
            " chained and append-only; data stay on the community's machines; logs without personal data. [fill in] where"
            " servers and backups are and how they are encrypted; whether https is used.",
        ),
    )


def _open_points(workspace: Path, today: date) -> str:
    wrong = check(workspace, today)
    models = read_models(workspace)
    model = next((model for model in models if model["alias"] == "champion"), None)
    used = (
        say(f"启用的模型：版本 {model['version']}", f"model in force: version {model['version']}")
        if model
        else say("还没有启用的模型", "no model in force")
    )
    return _section(
        "7. 待办",
        "7. To do",
        used,
        *[f"- {line}" for line in wrong],
        say(
            "【法律】是否达到须由网信部门审计或申报的规模；评估报告和处理记录至少保存三年（第五十六条）。",
            "[legal] whether the scale needs an audit or a filing with the authority; keep this report and records of"
            " processing for three years or more (art. 56).",
        ),
    )
