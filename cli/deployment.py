"""Which deployment a command speaks of: the one in `XINYI_*`, or the demo under `--data`."""

from __future__ import annotations

from pathlib import Path

from core.settings import Settings, is_configured, read_settings


def deployment(data: Path | None) -> Settings:
    """The settings of `--data`, else of the environment, else of the demo under `var/`, seeded if absent.

    Raises:
        StartupError: a setting is missing, or the demo cannot be opened.
    """
    if data is None and is_configured():
        return read_settings()
    from demo.folder import open_folder

    return open_folder(data).settings
