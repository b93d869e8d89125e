"""Find the need that a request in words means, by the keywords of community.yaml."""

import duckdb

from features.contract.community import Community


def match_texts(connection: duckdb.DuckDBPyConnection, community: Community, texts: str) -> None:
    """Make the temporary table ``text_needs`` (text, need_index), with a row for each text that matches a need.

    ``texts``: SQL of distinct texts in a column ``text``. The need with most keywords in the text wins, then the one with
    the longest keyword, then the order in community.yaml. Upper and lower case are alike.
    """
    keywords = sorted(
        {
            (keyword.strip().lower(), index)
            for index, need in enumerate(community.needs)
            for keyword in need.keywords
        }
    )
    connection.execute("CREATE OR REPLACE TEMP TABLE keywords (keyword VARCHAR, need_index SMALLINT)")
    if words := [pair for pair in keywords if pair[0]]:
        connection.executemany("INSERT INTO keywords VALUES (?, ?)", words)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE text_needs AS
        SELECT text, need_index FROM (
            SELECT text, need_index, count(*) AS hits, max(length(keyword)) AS longest
            FROM ({texts}) JOIN keywords ON contains(lower(text), keyword)
            GROUP BY text, need_index)
        QUALIFY row_number() OVER (PARTITION BY text ORDER BY hits DESC, longest DESC, need_index) = 1""")
