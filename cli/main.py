"""The command line. One thing to know: a command's module is imported only when that command is called.

To add a command, add a line to `COMMANDS`. Whatever goes wrong ends as one line on standard error with a stable
code: exit 2 for wrong use, 1 for bad input, 0 otherwise.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from cli.output import WrongUse, complain
from core.errors import ExpectedError

COMMANDS = {
    "audit": "cli.audit:audit",
    "calendar": "cli.calendar:calendar",
    "cases": "cli.cases:cases",
    "consent": "cli.consent:consent",
    "credential": "cli.credential:credential",
    "demo": "cli.demo:demo",
    "demo-token": "cli.demo:demo_token",
    "documents": "cli.documents:documents",
    "errors": "cli.errors:errors",
    "guard": "cli.guard:guard",
    "intake": "cli.intake:intake",
    "intake-rates": "cli.intake:intake_rates",
    "keys": "cli.keys:keys",
    "migrate": "cli.serve:migrate",
    "model": "cli.model:model",
    "models": "cli.score:models",
    "offline": "cli.offline:offline",
    "outbox": "cli.results:outbox",
    "partner": "cli.partner:partner",
    "population": "cli.population:population",
    "receipt": "cli.guard:receipt",
    "report": "cli.report:report",
    "results": "cli.results:results",
    "schema": "cli.serve:schema",
    "score": "cli.score:score",
    "serve": "cli.serve:serve",
    "subject": "cli.subject:subject",
    "settlement": "cli.settlement:settlement",
    "statistics": "cli.statistics:statistics",
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports them when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)  # noqa: S101  # a mistake in the table above
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; that its reader has had enough (`| head`) is no error."""
        try:
            outcome = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # Python would complain once more when it closes standard output.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        return outcome


@click.command(cls=LazyGroup, no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
def xinyi() -> None:
    """信易+ 后端的命令行。"""


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; the exit code."""
    try:
        code = xinyi.main(arguments, prog_name="xinyi", standalone_mode=False)
    except click.UsageError as error:
        return complain(getattr(error, "stable_code", "USAGE"), _in_chinese(error), exit_code=2)
    except ExpectedError as error:
        return complain(error.code, error.message, exit_code=1)
    except OSError as error:
        return complain("IO_ERROR", f"读写失败({error.strerror})。请检查磁盘空间、路径与权限", exit_code=1)
    except (click.Abort, KeyboardInterrupt):
        return complain("INTERRUPTED", "已中断", exit_code=130)
    return code if isinstance(code, int) else 0


def _in_chinese(error: click.UsageError) -> str:
    match error:
        case WrongUse():
            return error.message
        case click.NoSuchOption():
            problem = f"没有 {error.option_name} 这个选项"
        case click.MissingParameter() if error.param is not None:
            problem = f"缺少 {error.param.human_readable_name}"
        case click.BadParameter() if error.param is not None:
            problem = f"{error.param.human_readable_name} 的值不可用"
        case _ if error.ctx is not None and error.ctx.command is xinyi:
            problem = "没有这个命令,或没有写命令"
        case _:
            problem = "参数不对"
    path = error.ctx.command_path if error.ctx is not None else "xinyi"
    return f"{problem}。运行 {path} --help 查看用法"


if __name__ == "__main__":
    main()
