"""The page of an ingest's report: what came, what was not understood, by table and column, and what to do."""

from html import escape

from features.findings import Finding, Weight
from features.ingest.ingest_report import IngestReport
from features.language import language, say

PAGE = "ingest.html"
STYLE = (
    "body{font:15px/1.5 sans-serif;margin:2em auto;max-width:70em;padding:0 1em}"
    "table{border-collapse:collapse;width:100%;margin-bottom:2em}"
    "th,td{border-bottom:1px solid #ccc;padding:.3em .6em;text-align:left;vertical-align:top}td.n{text-align:right}"
)


def report_page(report: IngestReport) -> str:
    """Write the whole report as HTML: rows by table, then findings, the heaviest first, then changed settings."""
    title = say("读入报告", "What was read")
    columns = (
        ("read", say("读", "read")),
        ("new", say("新增", "new")),
        ("corrected", say("更正", "corrected")),
        ("unchanged", say("未变", "unchanged")),
        ("repeated", say("重复", "repeated")),
        ("quarantined", say("没读进", "set aside")),
    )
    counts = [
        [table, *(str(getattr(counts, name)) for name, _ in columns)]
        for table, counts in report.tables.items()
    ]
    heads = [say("表", "table"), *(words for _, words in columns)]
    parts = [f"<h1>{escape(title)}</h1>", _table(heads, counts)]
    if report.quarantine:
        parts.append(
            f"<p>{escape(say('没读进的行', 'rows set aside'))}: {escape(str(report.quarantine))}</p>"
        )
    heads = [
        say("轻重", "weight"),
        say("哪里", "where"),
        say("什么", "what"),
        say("多少", "how many"),
        say("怎么办", "what to do"),
    ]
    findings = [_finding_cells(finding) for finding in report.all_findings()]
    parts.append(
        _table(heads, findings) if findings else f"<p>{escape(say('没有要看的', 'nothing to look at'))}</p>"
    )
    if changes := report.settings_lines():
        parts.append("<ul>" + "".join(f"<li>{escape(change)}</li>" for change in changes) + "</ul>")
    return (
        f'<!doctype html><html lang="{"en" if language() == "en" else "zh-CN"}"><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>{''.join(parts)}</html>\n"
    )


def _finding_cells(finding: Finding) -> list[str]:
    weights = {
        Weight.PROTECT: say("先看", "first"),
        Weight.LOST: say("没有用上", "not used"),
        Weight.LOOK: say("请核对", "check"),
        Weight.NOTE: say("备查", "to know"),
    }
    shown = say("、", ", ").join(finding.examples)
    what = f"{finding.what}{say('：', ': ')}{shown}" if shown else finding.what
    return [weights[finding.weight], finding.where, what, str(finding.rows or ""), finding.todo]


def _table(heads: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{escape(head)}</th>" for head in heads)
    body = "".join(
        "<tr>"
        + "".join(f"<td{' class=n' if cell.isdigit() else ''}>{escape(cell)}</td>" for cell in row)
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"
