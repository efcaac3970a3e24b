"""The archive for a command that reads one: without one it says so, rather than find nothing."""

from __future__ import annotations

from agents.archive.store import Store, open_store
from models.errors import StoreError
from models.settings import Settings


def existing_archive(settings: Settings) -> Store:
    """Return the archive that the settings name.

    Raises:
        SettingsError: its address is none.
        StoreError: there is none, or it cannot be read.
    """
    store = open_store(settings)
    try:
        store.require()
    except OSError as error:
        raise StoreError(str(error)) from error
    return store
