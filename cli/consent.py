"""`xinyi consent verify`: whether a receipt of a consent given or revoked is genuine, without a server."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from cli.deployment import deployment


@click.group()
def consent() -> None:
    """授权回执。"""


@consent.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="演示数据文件夹。")
@click.option("--jwks", type=click.Path(path_type=Path, dir_okay=False), help="公钥集文件(jwks.json)。")
def verify(file: Path, data: Path | None, jwks: Path | None) -> None:
    """不依赖服务器核对一份授权或撤回的回执,并输出其内容。密钥只取自本部署或 --jwks。"""
    from cli.guard import LARGEST_RECEIPT, read_signed
    from core.keys import load_keys, load_public_keys
    from scoring.consent.receipts import check_consent_receipt

    token = read_signed(file, LARGEST_RECEIPT)
    keys = load_keys(deployment(data).keys_file) if jwks is None else load_public_keys(jwks)
    click.echo(orjson.dumps(check_consent_receipt(keys, token), option=orjson.OPT_INDENT_2).decode())
