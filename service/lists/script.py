"""What to say at the door or on the telephone."""

from features.contract.community import Community
from features.language import say


def script(community: Community) -> str:
    """What to say at the door: who calls, where the information comes from, and how to refuse."""
    identity = community.community
    name, phone = identity.name, identity.phone
    check = say(
        f"不放心可以先打社区电话 {phone} 核实" if phone else "不放心可以先向社区核实再答复",
        f"To be sure, call the community at {phone} first"
        if phone
        else "To be sure, ask the community first",
    )
    return say(
        f"您好，我是{name}的社区工作人员（上门请出示工作证，打电话请报姓名）。社区根据您家在社区登记的情况和以往向社区"
        "提出的诉求，主动来问问近期有没有需要，不收费、不推销，不问银行卡、密码和验证码。"
        f"{check}。您可以不回答；以后不想接到这样的走访，现在告诉我就行，社区会登记并不再联系，不影响任何服务。",
        f"Hello, I work for {name} (at the door show your card, on the telephone give your name). From what your"
        " household registered with the community and asked it for before, we come to ask whether you need"
        f" something. It costs nothing; we never ask about bank details, passwords or codes. {check}. You need"
        " not answer, and if you want no such visits, tell me: we note it and do not come again. No service"
        " depends on it.",
    )
