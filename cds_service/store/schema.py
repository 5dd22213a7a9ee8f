"""Brings a database's schema up to date, and tells a schema of ours from one of other programs.

The revision stands in a table of a name of its own: Alembic's usual one may belong to another
application in the same database.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.exc import DBAPIError

from cds_service.errors import StoreError
from cds_service.store.tables import REVISIONS, SCHEMA, metadata

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "cds_service_version"

_USUAL = "alembic_version"  # where earlier versions kept the revision
_FIRST_TABLES = {"issued_cards", "feedback", "calls_by_day"}  # of revision 0001


def is_current(connection: Connection) -> bool:
    """Whether the schema is of this version or a newer one, which only adds to it.

    Raises StoreError when the version table holds something else than a revision of ours.
    """
    return _revision(connection, VERSION_TABLE) >= SCHEMA


def upgrade(connection: Connection) -> None:
    """Make or complete the tables. The caller holds a lock. Raises StoreError as `is_current`."""
    from alembic import command  # needed once in the life of a schema; takes long to import

    config = _config(connection)
    if not _revision(connection, VERSION_TABLE) and (adopted := _former_revision(connection)):
        command.stamp(config, adopted)
    command.upgrade(config, "head")


def touch(connection: Connection) -> None:
    """Read from every table. Raises what the driver raises when one is missing or damaged."""
    if not is_current(connection):
        raise StoreError(f"the table {VERSION_TABLE} is gone or empty")
    for table in metadata.sorted_tables:
        connection.execute(select(table).limit(1)).first()


def _revision(connection: Connection, table: str) -> str:
    """The revision in a version table; empty when there is none."""
    if not inspect(connection).has_table(table):
        return ""
    found = connection.scalars(text(f"SELECT version_num FROM {table}")).all()  # noqa: S608  # a name of ours
    if table == VERSION_TABLE and not all(re.fullmatch(r"\d{4}", one) for one in found):
        raise StoreError(f"the table {table} holds a revision that is not of this program")
    return max(found, default="")


def _former_revision(connection: Connection) -> str:
    """The revision in the table of the usual name, if it and the tables are ours.

    That table is left as it is, so that a worker of the version before still finds it.
    """
    try:
        with connection.begin_nested():
            revision = _revision(connection, _USUAL)
    except DBAPIError:  # a table of this name without the column
        return ""
    tables = set(inspect(connection).get_table_names())
    return revision if revision in REVISIONS and tables >= _FIRST_TABLES else ""


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["version_table"] = VERSION_TABLE
    return config
