#!/usr/bin/env python3
"""A rehearsal as a Spark job: what the service would have said to the orders of the past.

    spark-submit scripts/spark-job.py EXPORT... --out DIR [--overlay DIR] [--since DAY]

EXPORT is what Spark reads as text (folders and globs of NDJSON, also packed) or, with `--table`,
the name of a table with the JSON in a column of text. Workers need cds-service installed.
"""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

from pyspark.sql import SparkSession

from cds_service.rehearsal.options import ReplayOptions
from cds_service.rehearsal.run import RehearsalPlan
from cds_service.rehearsal.spark import rehearse


def main() -> None:
    """Read the lines, replay them and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("exports", nargs="+", metavar="EXPORT")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--overlay", type=Path)
    parser.add_argument("--since", type=date.fromisoformat)
    parser.add_argument("--until", type=date.fromisoformat)
    parser.add_argument("--min-cell", type=int, default=11)
    parser.add_argument("--partitions", type=int, help="into which the lines are spread first")
    parser.add_argument("--table", action="store_true")
    wished = parser.parse_args()
    spark = SparkSession.builder.appName("rehearsal").getOrCreate()
    files = spark.read.option("pathGlobFilter", "*.ndjson*")  # not the manifest
    lines = spark.table(wished.exports[0]) if wished.table else files.text(wished.exports)
    if wished.partitions:
        lines = lines.repartition(wished.partitions)
    options = ReplayOptions(since=wished.since, until=wished.until)
    plan = RehearsalPlan((), wished.out, options, overlay=wished.overlay, min_cell=wished.min_cell)
    told = rehearse(lines, plan)["events"]
    print(f"{told['events'] or 'too few'} hip orders and operations: {wished.out / 'report.html'}")
    spark.stop()


if __name__ == "__main__":
    main()
