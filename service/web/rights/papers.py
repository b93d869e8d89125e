"""Papers of record: model comparison, impact assessments, transparency record, public notice and audit pack.

The headings are those of the norms: GB/T 39335-2020, 5.3 to 5.7; Regulation (EU) 2024/1689, article 27(1)(a) to (f);
the UK Algorithmic Transparency Recording Standard, version 3; articles 17 and 54 of the Personal Information Protection
Law. What the system cannot know is marked with BLANK and left to people.
"""

from datetime import date
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from features.atomic import write_atomically
from features.language import say, speaking
from service.web.database.engine import Database
from service.web.rights.record_facts import record_facts, version_lines

FOLDER = "papers"  # in the workspace
BLANK = "（待填）"
PAPERS = {
    "model-comparison.zh.md": "zh",
    "model-comparison.en.md": "en",
    "impact-assessment-gbt-39335.zh.md": "zh",
    "fundamental-rights-eu-article-27.en.md": "en",
    "transparency-record-uk-atrs.en.md": "en",
    "public-notice.zh.md": "zh",
    "audit-pack.zh.md": "zh",
}


def write_papers(workspace: Path, database: Database, place: Path, today: date) -> dict[str, int]:
    """Write every paper into a directory; the number of blanks left in each.

    Raises UserError when nothing was ingested.
    """
    environment = Environment(
        loader=PackageLoader("service", "templates/papers"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["blank"] = lambda zh, en="": f"{BLANK}{say(zh, en or zh)}"
    left = {}
    place.mkdir(parents=True, exist_ok=True)
    for language in ("zh", "en"):
        with speaking(language):
            facts = record_facts(workspace, database, today)
            for name in (name for name, spoken in PAPERS.items() if spoken == language):
                text = environment.get_template(name).render(**facts, comparison=version_lines(facts))
                write_atomically(place / name, text.encode())
                left[name] = text.count(BLANK)
    return left
