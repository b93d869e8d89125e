"""Write what an evaluation of the text classifier measured: lines for the terminal, a page of tables, a figure."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from features.language import say
from models.evaluation.plots import as_png, chinese_text
from models.text.evaluate import Evaluation, reliability
from models.text.model import PRECISION


def lines_of(evaluation: Evaluation) -> list[str]:
    """Write the lines that a command prints."""
    m = evaluation.metrics
    first, last = evaluation.curve.iloc[0], evaluation.curve.iloc[-1]

    def interval(name: str) -> str:
        return f"{m[name]:.3f}（{m[f'{name}_low']:.3f}–{m[f'{name}_high']:.3f}）"

    return [
        say(
            f"{m['texts']:.0f} 条不同的文字，{len(evaluation.needs)} 类；嵌套交叉验证，95% 区间",
            f"{m['texts']:.0f} distinct texts, {len(evaluation.needs)} classes; nested cross-validation, 95% intervals",
        ),
        say(f"  分类模型 macro-F1 {interval('macro_f1')}", f"  classifier macro-F1 {interval('macro_f1')}"),
        say(
            f"  仅用关键词 macro-F1 {interval('keywords_macro_f1')}",
            f"  keywords alone macro-F1 {interval('keywords_macro_f1')}",
        ),
        say(f"  提高 {interval('gain')}", f"  gain {interval('gain')}"),
        say(f"  准确率 {m['accuracy']:.1%}", f"  accuracy {m['accuracy']:.1%}"),
        say(
            f"  校准误差 ECE {m['calibration_error']:.3f}",
            f"  calibration error (ECE) {m['calibration_error']:.3f}",
        ),
        say(
            f"  准确率达到 {PRECISION:.0%} 时能回答 {m['coverage_at_precision']:.1%}",
            f"  coverage at {PRECISION:.0%} precision {m['coverage_at_precision']:.1%}",
        ),
        say(
            f"  用训练折定的门槛：回答 {m['coverage']:.1%}，其中 {m['precision_of_told']:.1%} 正确",
            f"  with the threshold of the training folds: {m['coverage']:.1%} told,"
            f" {m['precision_of_told']:.1%} of them right",
        ),
        say(
            f"  学习曲线：{first['texts']:.0f} 条 {first['macro_f1']:.3f}"
            f" → {last['texts']:.0f} 条 {last['macro_f1']:.3f}",
            f"  learning curve: {first['texts']:.0f} texts {first['macro_f1']:.3f}"
            f" → {last['texts']:.0f} texts {last['macro_f1']:.3f}",
        ),
    ]


def by_need(evaluation: Evaluation) -> pd.DataFrame:
    """Return texts, precision, recall and F1 of each need, and the F1 of keywords alone."""
    predicted = evaluation.predicted

    def f1(predicted: np.ndarray) -> np.ndarray:
        return (
            2
            * (predicted & evaluation.labels).sum(axis=0)
            / np.maximum(predicted.sum(axis=0) + evaluation.labels.sum(axis=0), 1)
        )

    right = (predicted & evaluation.labels).sum(axis=0)
    return pd.DataFrame(
        {
            "need": evaluation.needs,
            "texts": evaluation.labels.sum(axis=0),
            "precision": right / np.maximum(predicted.sum(axis=0), 1),
            "recall": right / np.maximum(evaluation.labels.sum(axis=0), 1),
            "f1": f1(predicted),
            "keywords_f1": f1(evaluation.by_keywords),
        }
    )


def report_files(evaluation: Evaluation) -> dict[str, bytes]:
    """Return the report's files by name: tables and a figure, without any text that was evaluated."""
    tables = {
        "by_need": by_need(evaluation),
        "learning_curve": evaluation.curve,
        "reliability": reliability(evaluation.chances, evaluation.labels),
        "metrics": pd.DataFrame(evaluation.metrics.items(), columns=["metric", "value"]),
    }
    files = {f"{name}.csv": table.to_csv(index=False).encode("utf-8-sig") for name, table in tables.items()}
    return {
        "summary.txt": ("\n".join(lines_of(evaluation)) + "\n").encode(),
        **files,
        "evaluation.png": _drawn(evaluation),
    }


def _drawn(evaluation: Evaluation) -> bytes:
    """Draw reliability, learning curve, precision by coverage, and F1 by need."""
    with chinese_text():
        figure = Figure(figsize=(11, 8), layout="constrained")
        (calibration, learning), (covered, needs) = figure.subplots(2, 2)
        table = reliability(evaluation.chances, evaluation.labels)
        calibration.plot([0, 1], [0, 1], color="#9aa0a6")
        calibration.plot(table["predicted"], table["observed"], "o-")
        calibration.set_title(say("预测概率与正确的比例", "Predicted probability and share right"))
        learning.plot(evaluation.curve["texts"], evaluation.curve["macro_f1"], "o-")
        learning.axhline(evaluation.metrics["keywords_macro_f1"], color="#9aa0a6")
        learning.set_title(
            say("学习曲线：macro-F1（灰：仅关键词）", "Learning curve: macro-F1 (grey: keywords alone)")
        )
        top = evaluation.chances.max(axis=1)
        order = np.argsort(-top)
        right = evaluation.labels[np.arange(len(top)), evaluation.chances.argmax(axis=1)][order]
        share = np.arange(1, len(top) + 1) / len(top)
        covered.plot(share, np.cumsum(right) / np.arange(1, len(top) + 1))
        covered.axhline(PRECISION, color="#9aa0a6")
        covered.set_title(say("回答的比例与准确率", "Share answered and precision"))
        measured = by_need(evaluation)
        needs.barh([*measured["need"]], measured["f1"])
        needs.plot(measured["keywords_f1"], [*measured["need"]], "k|", markersize=12)
        needs.set_title(say("各类 F1（竖线：仅关键词）", "F1 by class (mark: keywords alone)"))
        return as_png(figure)
