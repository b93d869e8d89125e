"""Find the needs that texts are about: what people decided, then the classifier or the keywords, or no answer at all."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from features.contract.community import Community
from features.contract.refusing_words import wanted_part
from features.language import joined_names, say
from models.text.decisions import key_of
from models.text.model import TextModel

COLUMNS = ("row", "need", "probability", "abstained", "why", "candidates")
MOST_CANDIDATES = 3
_MOST_TEXTS = 5_000  # at a time
_CLAUSE = re.compile(r"[^，。；！？,;!?\n]+[，。；！？,;!?\n]*")
_NUISANCE = (
    "漏|渗|滴水|装修|吵|噪|跑|跳|扔|养|半夜|天天|经常|每天|老是|总是|一直|深夜|晚上|凌晨"
    "|打孩子|打麻将|麻将|弹琴|唱歌|狗|猫|鸡|占|堆|乱|违|私|油烟|抽烟|空调外机|租给|群租"
)
_OTHER = re.compile(
    r"(?:邻居|邻里|隔壁|对门|邻家|邻户|同楼的?人|有人家|人家|别人家?|某户)"
    rf"|楼[上下](?!楼)(?:的|家|户|住户|邻居|那家|人家|租户|业主|{_NUISANCE})"
    rf"|(?:\d{{1,4}}|［门牌］|某)(?:室|户)?(?:住户|业主|租户|人家|家)(?:{_NUISANCE})"
)
_OWN = re.compile(
    r"我家|我们家|咱家|自家|自己家|本人|本户|家里|家中|家有|(?<!和)(?<!帮)我(?!们小区|们楼|们单元)"
    r"(?:的|妈|爸|父|母|老公|老婆|儿子|女儿|孩子|爷爷|奶奶|想|要|也|没|不|是|今年|现在|申请|需要)"
)
_TURN = re.compile(
    r"^\s*(?:另外|此外|还有|还想|同时|再有|顺便|想问|想咨询|请问|咨询|\d+[、.．)）]|[一二三四][、.．])"
)
_MORE = re.compile(r"另外|此外|还有|再有|顺便|(?<!\d)[1-9][、.．)）](?!\d)")
_LISTED = re.compile(r"[、/；;+|]")
_LONGEST_LISTED = 6  # letters of a matter in a list of mere names
_PART = re.compile(r"另外|此外|还有|再有|同时|顺便|(?<!\d)[1-9][、.．)）](?!\d)|[一二三四五][、]|[；;\n]")


class Answer(NamedTuple):
    """The needs of one text with their probabilities (nan: not from a model), why, the likeliest needs, the highest
    probability of any (nan: not from a model), and whether the text asks for more than was recognised."""

    needs: tuple[str, ...]
    chances: tuple[float, ...]
    why: str
    candidates: tuple[str, ...] = ()
    best: float = float("nan")
    more: bool = False


def needs_of(
    texts: pd.Series,
    community: Community,
    model: TextModel | None = None,
    decided: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Find each text's needs, several possible, or abstain.

    texts: as written; missing ones have no need.
    community: whose needs and keywords count.
    model: the classifier; None: keywords alone.
    decided: what people decided, as ``read_decisions`` returns it: used before anything else.

    Returns a row for each text and need, at least one a text: row (label of ``texts``' index), need (missing where it
    abstains), probability (nan where keywords or a person said it), abstained, why (a sentence), candidates (list of
    ids, the likeliest first). A text of several matters of which keywords recognise only some has such a row as well.
    Where it abstains, probability is the likeliest answer's, nobody's need counted too.
    """
    distinct = list(dict.fromkeys(str(text).strip() for text in texts.dropna()))
    settled = _settled(decided)
    answers = {text: settled[key] for text in distinct if (key := key_of(text)) in settled}
    open_texts = [text for text in distinct if text not in answers]
    for start in range(0, len(open_texts), _MOST_TEXTS):
        batch = open_texts[start : start + _MOST_TEXTS]
        answers.update(zip(batch, _answers(batch, community, model), strict=True))
    nothing = Answer((), (), say("没有文字", "no text"))
    rows = [
        line
        for label, text in texts.items()
        for line in _lines(label, nothing if pd.isna(text) else answers[str(text).strip()])
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({"need": "string", "probability": "float32", "abstained": bool, "why": "string"})


def _lines(label: object, answer: Answer) -> Iterator[tuple[object, ...]]:
    for need, chance in zip(answer.needs, answer.chances, strict=True):
        yield label, need, chance, False, answer.why, list(answer.candidates)
    if answer.more:
        why = say("只认出一部分", "recognised in part only")
        yield label, None, answer.best, True, why, list(answer.candidates)
    if not answer.needs:
        yield label, None, answer.best, True, answer.why, list(answer.candidates)


def _settled(decided: pd.DataFrame | None) -> dict[str, Answer]:
    """Return the decided answers by the texts' keys; nobody's need is an answer without needs."""
    if decided is None or decided.empty:
        return {}
    why = say("有人定过", "decided by a person")
    answers: dict[str, Answer] = {}
    for key, rows in decided.groupby("key"):
        needs = tuple(rows["need"].dropna())
        answers[str(key)] = Answer(needs, (float("nan"),) * len(needs), why, needs)
    return answers


def _answers(texts: Sequence[str], community: Community, model: TextModel | None) -> list[Answer]:
    own_parts = [own_part(text) for text in texts]
    wanted = [wanted_part(text) for text in own_parts]
    words = [_keyword_needs(text, community) for text in wanted]
    if model is None:
        answers = [
            _by_keywords(needs)._replace(
                more=bool(needs)
                and not all(map(partial(_keyword_needs, community=community), matters_of(text)))
            )
            for text, needs in zip(wanted, words, strict=True)
        ]
    else:
        answers = _by_model(wanted, words, model, [need.id for need in community.needs])
    return [
        _of_others(text, answer, community) if not answer.needs and part.strip() != text.strip() else answer
        for text, part, answer in zip(texts, own_parts, answers, strict=True)
    ]


def _of_others(text: str, answer: Answer, community: Community) -> Answer:
    """Explain that a text tells of others; what it may be about all the same stays a candidate for a person."""
    why = say("说的是邻居或别人家的事", "it tells of a neighbour or another household")
    others = _keyword_needs(text, community)
    disputes = [need.id for need in community.needs if "disputes" in need.about]
    likely = dict.fromkeys([*others, *answer.candidates, *disputes])
    return Answer((), (), why, tuple(likely)[:MOST_CANDIDATES], answer.best)


def _by_keywords(needs: Mapping[str, list[str]]) -> Answer:
    if not needs:
        return Answer((), (), say("没有关键词", "no keyword"))
    words = joined_names(word for hits in needs.values() for word in hits)
    why = say(f"有关键词：{words}", f"keywords: {words}")
    return Answer(tuple(needs), (float("nan"),) * len(needs), why, tuple(needs)[:MOST_CANDIDATES])


def _keyword_needs(text: str, community: Community) -> dict[str, list[str]]:
    """Find each need with a keyword in the text that is not a piece of another need's longer one, most hits first."""
    small = text.lower()
    hits = {
        need.id: [word for keyword in need.keywords if (word := keyword.strip().lower()) and word in small]
        for need in community.needs
    }
    every = {word for words in hits.values() for word in words}
    keywords = {
        need: [word for word in words if not any(word in longer and word != longer for longer in every)]
        for need, words in hits.items()
    }
    needs = [need for need, words in keywords.items() if words]
    return {need: keywords[need] for need in sorted(needs, key=lambda need: -len(keywords[need]))}


def _by_model(
    texts: Sequence[str], words: Sequence[Mapping[str, list[str]]], model: TextModel, needs: Sequence[str]
) -> list[Answer]:
    """Answer from the probabilities of each text and of its parts; needs that the model did not learn by keywords."""
    parts = [[text, *(parts_found if len(parts_found := parts_of(text)) > 1 else [])] for text in texts]
    chances = model.probabilities([part for several in parts for part in several])
    starts = np.cumsum([0, *map(len, parts[:-1])])
    best = np.maximum.reduceat(chances, starts) if len(parts) else chances
    known = np.array([need in needs for need in model.needs], dtype=bool)
    return [
        _answer(row, model, known, {need: hit for need, hit in hits.items() if need not in model.needs})
        if text.strip()
        else Answer((), (), say("没有文字", "no text"))
        for text, row, hits in zip(texts, best, words, strict=True)
    ]


def _answer(
    chances: np.ndarray, model: TextModel, known: np.ndarray, unlearnt: Mapping[str, list[str]]
) -> Answer:
    order = [place for place in np.argsort(-chances, kind="stable") if known[place]]
    candidates = tuple(model.needs[place] for place in order[:MOST_CANDIDATES])
    sure = [place for place in order if chances[place] >= model.threshold]
    names = [*(model.needs[place] for place in sure), *unlearnt]
    values = [*(float(chances[place]) for place in sure), *(float("nan") for _ in unlearnt)]
    if names:
        why = say("分类模型", "the classifier") if sure else _by_keywords(unlearnt).why
    elif order and model.needs[int(np.argmax(chances))] == "":
        why = say("像是谁的需求都不是", "it looks like nobody's need")
    else:
        top = chances[order[0]] if order else 0.0
        why = say(f"拿不准（最高 {top:.0%}）", f"not sure (at best {top:.0%})")
    return Answer(tuple(names), tuple(values), why, candidates, float(chances.max()))


def own_part(text: str) -> str:
    """Return what a text tells of the speaker's own household.

    >>> own_part("邻居家的狗半夜叫，另外我家孩子暑假没人带")
    '另外我家孩子暑假没人带'
    >>> own_part("卫生间漏水，请派人维修")
    '卫生间漏水，请派人维修'
    """
    kept, others = [], False
    for match in _CLAUSE.finditer(text):
        clause = match.group()
        own_words = _OWN.search(clause)
        if other := _OTHER.search(clause):
            others = not (own_words and own_words.start() < other.start())
        elif own_words or _TURN.search(clause):
            others = False
        if not others:
            kept.append(clause)
    return "".join(kept)


def parts_of(text: str) -> list[str]:
    """Cut a text where another matter begins; a text about one matter stays whole.

    >>> parts_of("水管坏了，另外孩子没人带")
    ['水管坏了，', '孩子没人带']
    """
    return [part for part in _PART.split(text) if len(part.strip()) > 3]


def matters_of(text: str) -> list[str]:
    """List what a text asks for where it says itself that it is several things, else the whole text.

    >>> matters_of("送餐、陪诊"), matters_of("水管坏了，还有孩子没人带"), matters_of("水管坏了；请尽快找人来修")
    (['送餐', '陪诊'], ['水管坏了，', '孩子没人带'], ['水管坏了；请尽快找人来修'])
    """
    names = [name.strip() for name in _LISTED.split(text.strip()) if name.strip()]
    if len(names) > 1 and all(len(name) <= _LONGEST_LISTED for name in names):
        return names if not _MORE.search(text) else [text]
    return [part for part in _MORE.split(text) if len(part.strip()) > 3] or [text]
