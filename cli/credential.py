"""`xinyi credential verify`: a wallet's credential or presentation, checked without a server. One thing to know: keys
come from the deployment or `--jwks`, never from the file itself, and nothing here is on anybody's log."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from cli.deployment import deployment
from cli.guard import DATA, JWKS, read_signed
from cli.output import WrongUse
from core.clock import utc_now


@click.group()
def credential() -> None:
    """钱包凭证(SD-JWT VC)。"""


@credential.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@DATA
@JWKS
@click.option("--nonce", help="出示请求的 nonce;与 --audience 一起给出,才核对密钥证明是给谁的。")
@click.option("--audience", help="出示请求的 client_id。")
def verify(file: Path, data: Path | None, jwks: Path | None, nonce: str | None, audience: str | None) -> None:
    """不依赖服务器核对一份凭证或出示:披露了什么、是否成立、到什么时候。"""
    from core.keys import load_keys, load_public_keys
    from partners.wallet.credentials import LONGEST, check_current, check_proof, proof_claims, read_credential

    if (nonce is None) is not (audience is None):
        raise WrongUse("USAGE", "--nonce 与 --audience 须一起给出,或都不给")
    text = read_signed(file, LONGEST)
    keys = load_public_keys(jwks) if jwks is not None else load_keys(deployment(data).keys_file)
    held, now = read_credential(keys, text), utc_now()
    check_current(held, now=now)
    if nonce is not None and audience is not None:
        check_proof(held, nonce=nonce, audience=audience, now=now, since=held.issued_at)
        proved = "for-this-request"
    elif held.proof:
        proof_claims(held)
        proved = "for-a-request-not-compared"
    else:
        proved = "not-at-all"  # whoever has the file could show it
    told = {
        "holds": True,
        "disclosed": held.disclosed,
        "until": held.expires_at.isoformat(),
        "issuer": held.issuer,
        "key_proved": proved,
    }
    click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
