"""Options and argument types that several commands share."""

from pathlib import Path

import click

from features.language import say
from service.console.terminal import Day

Directory = click.Path(path_type=Path, file_okay=False)
File = click.Path(path_type=Path, dir_okay=False)

as_of_option = click.option(
    "--as-of",
    type=Day(),
    help=say(
        "以哪一天为准（默认本周一，或数据结束后的第一个周一）",
        "date (default: this week's Monday, or the first after the data)",
    ),
)

spark_option = click.option(
    "--spark",
    is_flag=True,
    help=say(
        "各片在 Apache Spark 上算（pip install 'xianying[scale]'）",
        "work on the partitions of the town on Apache Spark (pip install 'xianying[scale]')",
    ),
)
