"""Which deployment a command speaks of: the database of `XINYI_DATABASE_URL`, else the demo under `--data`."""

from __future__ import annotations

from pathlib import Path

from core.settings import Settings, is_configured, read_settings


def deployment(data: Path | None) -> Settings:
    """The settings of the environment where it names a database, with the keys under `--data` if that is given; else
    of the demo under `--data` or `var/`, seeded if absent.

    Raises:
        StartupError: a setting is missing, or the demo cannot be opened.
    """
    from demo.folder import KEYS, open_folder

    if not is_configured():
        return open_folder(data).settings
    return read_settings() if data is None else read_settings(keys_file=data / KEYS)
