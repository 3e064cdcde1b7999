"""What the suites found, as lines of the table in docs/clients.md. One thing to know: versions are read from what is
installed, so the page cannot speak of another."""

from __future__ import annotations

import json
import subprocess

from tests_web.node import HERE, NODE


def _version(package: str) -> str:
    if package == "node":
        return (
            subprocess.run([NODE, "--version"], capture_output=True, text=True, check=True).stdout.strip().lstrip("v")
        )
    version: str = json.loads((HERE / "node_modules" / package / "package.json").read_text())["version"]
    return version


class Figures:
    """Lines of the table: suite, version, figure."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, what: str, packages: str, figure: str) -> None:
        """One line; `packages` are names, parted by spaces."""
        named = "、".join(f"{package} {_version(package)}" for package in packages.split())
        self.lines.append(f"| {what} | {named} | {figure} |")
