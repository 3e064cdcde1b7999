"""`xinyi report verify`: check a credit report without a server. One thing to know: only the signed text inside counts,
never what the pages of a PDF show; so what was signed is what is printed."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from cli.guard import DATA, JWKS, Unreadable


@click.group()
def report() -> None:
    """信用报告。"""


@report.command("verify")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@DATA
@JWKS
def verify_report(file: Path, data: Path | None, jwks: Path | None) -> None:
    """核对信用报告(PDF、签名文本,或含 signed 一项的 JSON)的签名,并输出其中签过名的内容。"""
    from cli.deployment import deployment
    from core.keys import load_keys, load_public_keys
    from core.signing import verify
    from scoring.report_page import LARGEST_SIGNED

    signed = _signed(file)
    keys = load_public_keys(jwks) if jwks else load_keys(deployment(data).keys_file)
    claims = verify(keys, "report", signed, max_length=LARGEST_SIGNED)
    click.echo(orjson.dumps(claims, option=orjson.OPT_INDENT_2).decode())


def _signed(file: Path) -> str:
    from scoring.report_page import LARGEST_SIGNED, read_signed

    try:
        with file.open("rb") as opened:
            content = opened.read(2 * LARGEST_SIGNED + 1)
    except OSError as error:
        raise Unreadable(f"读不到 {file}({error.strerror})。请检查路径。") from None
    if len(content) > 2 * LARGEST_SIGNED:
        raise Unreadable(f"{file} 太大,不是信用报告。")
    if content.startswith(b"%PDF-"):
        return read_signed(content)
    try:
        if content.lstrip().startswith(b"{"):
            return str(orjson.loads(content)["signed"])
        return content.decode("ascii").removesuffix("\n").removesuffix("\r")
    except (ValueError, KeyError):
        raise Unreadable(f"{file} 不是信用报告。请提供下载时的原文件。") from None
