"""Names of attributes on the lists: community.yaml's ``features.names`` first, then common names."""

from collections.abc import Mapping

from features.contract.community import Name

# attribute -> (zh, en); "{}" stands for a number's value
COMMON: Mapping[str, tuple[str, str]] = {
    "area": ("住房{}平方米", "{} m² of housing"),
    "building_year": ("{}年建的房子", "home built in {}"),
    "car": ("有车", "has a car"),
    "cars": ("有{}辆车", "{} cars"),
    "cat": ("养猫", "keeps a cat"),
    "chronic_disease": ("有慢性病", "chronic disease"),
    "chronic_illness": ("有慢性病", "chronic illness"),
    "children": ("{}个孩子", "{} children"),
    "dibao": ("低保户", "on minimum living allowance"),
    "disability": ("有残疾人", "disability"),
    "disabled": ("有残疾人", "disability"),
    "dog": ("养狗", "keeps a dog"),
    "dual_earner": ("双职工", "both parents work"),
    "dual_income": ("双职工", "both parents work"),
    "elderly": ("{}位老人", "{} elders"),
    "elders": ("{}位老人", "{} elders"),
    "education": ("学历", "education"),
    "employed": ("有工作", "employed"),
    "employment": ("就业", "employment"),
    "ethnicity": ("民族", "ethnicity"),
    "floor": ("住{}楼", "floor {}"),
    "gender": ("性别", "gender"),
    "household_type": ("家庭类型", "household type"),
    "hukou": ("户籍", "registered residence"),
    "income": ("收入", "income"),
    "lives_alone": ("独居", "lives alone"),
    "living_alone": ("独居", "lives alone"),
    "low_income": ("低收入", "low income"),
    "migrant": ("外来人口", "moved here from elsewhere"),
    "party_member": ("有党员", "party member"),
    "pet": ("养宠物", "keeps a pet"),
    "relation": ("家人", "relation"),
    "renter": ("租房", "rents"),
    "rents": ("租房", "rents"),
    "residents": ("{}口人", "{} residents"),
    "single_parent": ("单亲", "single parent"),
    "size": ("{}口人", "{} people"),
    "household_size": ("{}口人", "{} people"),
    "tenure": ("住房", "housing"),
    "unemployed": ("失业", "unemployed"),
    "veteran": ("有退役军人", "veteran"),
}
PERSONS: Mapping[str, tuple[str, str]] = {
    "": ("本人", "aged"),
    "child": ("孩子", "child"),
    "eldest": ("最年长者", "eldest"),
    "elder": ("老人", "elder"),
    "head": ("户主", "head of household"),
    "oldest": ("最年长者", "oldest"),
    "spouse": ("配偶", "spouse"),
    "youngest": ("最小的家人", "youngest"),
    "youngest_child": ("最小的孩子", "youngest child"),
}


def attribute_name(attribute: str, names: Mapping[str, Name]) -> tuple[str, str]:
    """Return the Chinese and English name of an attribute; its own without underscores where nobody named it."""
    if attribute in names:
        return names[attribute].zh or names[attribute].en, names[attribute].en or names[attribute].zh
    plain = attribute.replace("_", " ").strip()
    return COMMON.get(attribute, (plain, plain))


def person_name(person: str, names: Mapping[str, Name], attribute: str) -> tuple[str, str]:
    """Return the Chinese and English name of the person whose birth an attribute gives.

    ``person``: as in the attribute's name, such as ``head``. ``names``: ``features.names`` of community.yaml.
    """
    if attribute in names:
        return attribute_name(attribute, names)
    plain = person.replace("_", " ").strip()
    return PERSONS.get(person, (plain, plain))
