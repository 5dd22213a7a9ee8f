"""For commands that work on the database of the service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from cds_service.errors import SettingsError, StoreError
from cds_service.ops.settings import Settings, from_environment

if TYPE_CHECKING:
    from cds_service.store.database import Database

Result = TypeVar("Result")


def settings_of(url: str | None) -> Settings:
    """The settings of the environment, with another database where one is named."""
    settings = from_environment()
    if url is not None:
        settings = from_environment(
            {
                "CDS_DATABASE_URL": url,
                "CDS_KNOWLEDGE_OVERLAY": str(settings.knowledge_overlay or ""),
            }
        )
    return settings


def run(settings: Settings, work: Callable[[Database], Awaitable[Result]]) -> Result:
    """Do something with the open database. Raises SettingsError when it cannot be used."""
    from cds_service.store.database import Database, failures

    url = settings.store_url
    if url is None:
        raise SettingsError("CDS_DATABASE_URL is none: nothing is kept")

    async def opened() -> Result:
        database = Database(url)
        try:
            if database.file is not None and not database.file.exists():
                raise SettingsError(f"{database.file} does not exist: nothing is kept there yet")
            await database.open()
            return await work(database)
        finally:
            await database.close()

    try:
        return asyncio.run(opened())
    except failures() as error:
        why = error if isinstance(error, StoreError) else type(error).__name__
        raise SettingsError(f"the database cannot be used: {why}") from None
