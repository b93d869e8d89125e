"""Decide whether a new classifier of texts may take the place of the one in force."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from features.atomic import write_atomically
from features.language import say
from features.masking.mask import mask_text
from models.text.decisions import key_of
from models.text.evaluate import Evaluation, likeliest, macro_f1
from models.text.model import TextModel

PLACE = Path("text") / "trained_on.txt"  # keys of the texts that the classifier in force was trained on
FEWEST_NEW = 20  # texts that neither was trained on, for the two to be compared


def judge(
    evaluation: Evaluation, texts: Sequence[str], before: TextModel | None, trained_on: Iterable[str]
) -> tuple[bool, str]:
    """Compare a new classifier with keywords, and with the one in force on texts that neither was trained on.

    evaluation: what was measured of the new one: its probabilities come from folds that were held out.
    texts: that it was measured on, in the order of ``evaluation.labels``.
    before: the classifier in force; None for none.
    trained_on: keys of the texts that ``before`` was trained on.

    Returns whether the new one comes into force, and why, in words.
    """
    if evaluation.metrics["gain"] <= 0:
        return False, say("不比关键词好", "no better than keywords")
    if before is None:
        return True, say("比关键词好", "better than keywords")
    seen = frozenset(trained_on)
    new = np.array([_key(text) not in seen for text in texts], dtype=bool)
    if new.sum() < FEWEST_NEW:
        return False, say(
            f"现用的没有学过的文字只有 {new.sum()} 条，至少 {FEWEST_NEW} 条才能比较",
            f"only {new.sum()} texts that the one in force was not trained on; {FEWEST_NEW} are needed to compare them",
        )
    labels = evaluation.labels[new]
    ours = macro_f1(labels, likeliest(evaluation.chances[new], labels))
    before_chances = before.probabilities([text for text, is_new in zip(texts, new, strict=True) if is_new])
    chances = np.zeros(labels.shape)
    for column, need in enumerate(evaluation.needs):
        if need in before.needs:
            chances[:, column] = before_chances[:, before.needs.index(need)]
    theirs = macro_f1(labels, likeliest(chances, labels))
    return ours >= theirs, say(
        f"两者都没有学过的 {new.sum()} 条上 macro-F1 {ours:.3f}，现用的 {theirs:.3f}",
        f"macro-F1 {ours:.3f} on {new.sum()} texts held out from both, {theirs:.3f} of the one in force",
    )


def read_trained_on(workspace: Path) -> list[str]:
    """Return the keys of the texts that the classifier in force was trained on."""
    path = workspace / PLACE
    return path.read_text("ascii").split() if path.is_file() else []


def keep_trained_on(workspace: Path, texts: Iterable[str]) -> None:
    """Keep the keys of the texts that the classifier coming into force was trained on."""
    _write(workspace, sorted({_key(text) for text in texts}))


def forget_trained_on(workspace: Path, texts: Iterable[str]) -> None:
    """Remove the keys of texts."""
    gone, before = {_key(text) for text in texts}, read_trained_on(workspace)
    if gone & set(before):
        _write(workspace, [key for key in before if key not in gone])


def _key(text: str) -> str:
    """Return the key of a text once masked: what a person decided about is known masked only."""
    return key_of(mask_text(text))


def _write(workspace: Path, keys: Iterable[str]) -> None:
    (workspace / PLACE).parent.mkdir(parents=True, exist_ok=True)
    write_atomically(workspace / PLACE, "\n".join([*keys, ""]).encode())
