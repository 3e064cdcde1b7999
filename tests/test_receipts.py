"""The receipt that both sides hold. One thing to know: it proves what was answered and names nobody, and only we can
tell that two receipts are about the same subject."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from factories import City, key_file, offer_id
from test_codes import rotated

from api.ids import public_id, uuid_of
from core.audit import audit_entries, leaf_of
from core.keys import Keys, b64decode, b64encode, load_keys, load_public_keys
from core.signing import SignatureInvalid, sign, verify
from partners.receipts import CLAIMS, check_receipt, pseudonym
from partners.tables import verifications

# What a receipt says does not depend on the database; the main path looks at both.
pytestmark = pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    header, claims, signature = token.split(".")
    return orjson.loads(b64decode(header)), orjson.loads(b64decode(claims)), b64decode(signature)


async def public_keys(city: City, folder: Path) -> Keys:
    """What a stranger has: the set at the well-known address, and nothing else."""
    response: httpx.Response = await city.client.get("/.well-known/jwks.json")
    (folder / "jwks.json").write_bytes(response.content)
    return load_public_keys(folder / "jwks.json")


async def test_a_stranger_checks_a_receipt_with_the_public_keys_alone(city: City, tmp_path: Path) -> None:
    answer = await city.verify(await city.code("good"), "tower")
    claims = check_receipt(await public_keys(city, tmp_path), answer["receipt"])
    header = parts(answer["receipt"])[0]
    assert header == {"alg": "EdDSA", "typ": "xinyi-receipt+jwt", "kid": city.keys.active("receipt").kid}
    assert set(claims) == CLAIMS
    assert claims["iss"] == city.settings.issuer
    assert claims["iat"] == int(city.now.timestamp())
    assert claims["jti"] == str(uuid_of(answer["id"], "Verification"))
    assert (claims["partner"], claims["offer"]) == (public_id("Partner", 1), offer_id("tower"))
    assert (claims["offerVersion"], claims["outcome"]) == (1, "BENEFIT_APPLIES")


async def test_no_receipt_shows_name_number_score_reason_or_site(city: City) -> None:
    for person in ("good", "poor"):
        answer = await city.verify(await city.code(person), site="骨科东门", clerk="当班甲")
        header, claims = parts(answer["receipt"])[:2]
        # Three claims are random and may spell anything; they are random and nothing else.
        assert re.fullmatch(r"[0-9a-f]{64}", claims.pop("leaf"))
        assert re.fullmatch(r"[\w-]{22}", claims.pop("subject"))
        assert claims.pop("jti") == str(uuid_of(answer["id"], "Verification"))
        assert header.pop("kid") == city.keys.active("receipt").kid
        assert claims.pop("iat") == int(city.now.timestamp())
        told = orjson.dumps([header, claims]).decode()
        for secret in ("测", "骨科", "当班", "GRADE", "points", "199", "430502", '"A"'):
            assert secret not in told


async def test_the_pseudonym_is_fresh_each_time_and_ours_to_recompute(city: City) -> None:
    answers = [await city.verify(await city.code("good")) for _ in range(5)]
    claims = [check_receipt(city.keys, answer["receipt"]) for answer in answers]
    assert len({one["subject"] for one in claims}) == 5
    for answer, one in zip(answers, claims, strict=True):
        known = pseudonym(city.keys, subject_id=1, verification_id=uuid_of(answer["id"], "Verification"))
        assert one["subject"] == known


async def test_both_outcomes_make_receipts_of_one_shape(city: City) -> None:
    good, poor = [(await city.verify(await city.code(person)))["receipt"] for person in ("good", "poor")]
    # BENEFIT_APPLIES has one letter less than STANDARD_SERVICE.
    assert abs(len(good) - len(poor)) <= 2
    assert set(parts(good)[1]) == set(parts(poor)[1])


async def test_the_leaf_pins_the_audit_row_and_nobody_guesses_the_row_from_it(city: City) -> None:
    answers = [await city.verify(await city.code("good")) for _ in range(2)]
    rows = {row.leaf: row for row in await city.rows(audit_entries)}
    for answer in answers:
        row = rows[check_receipt(city.keys, answer["receipt"])["leaf"]]
        assert orjson.loads(row.content)["verification"] == str(uuid_of(answer["id"], "Verification"))
        fields = dict(row._mapping)
        assert leaf_of(fields) == row.leaf
        for field, other in [("content", "{}"), ("actor", "x"), ("subject_id", 2), ("nonce", "0" * 64)]:
            assert leaf_of(fields | {field: other}) != row.leaf
    assert len({row.nonce for row in rows.values()}) == 2
    assert {len(bytes.fromhex(row.nonce)) for row in rows.values()} == {32}


async def test_a_receipt_changed_anywhere_is_refused(city: City) -> None:
    receipt = (await city.verify(await city.code("poor")))["receipt"]
    header, claims, signature = receipt.split(".")
    better = orjson.loads(b64decode(claims)) | {"outcome": "BENEFIT_APPLIES", "benefit": True}
    more = b64encode(orjson.dumps(better))
    unsigned = b64encode(orjson.dumps({"alg": "none", "typ": "xinyi-receipt+jwt"}))
    symmetric = b64encode(orjson.dumps(orjson.loads(b64decode(header)) | {"alg": "HS256"}))
    for wrong in (
        f"{header}.{more}.{signature}",
        f"{unsigned}.{claims}.",
        f"{symmetric}.{claims}.{signature}",
        f"{header}.{claims}.{signature}==",
        f"{header}.{claims}",
        f"{header}.{claims}.{signature}.{signature}",
        f" {receipt}",
        f"{receipt}\n",
        receipt[:-1] + ("B" if receipt[-1] != "B" else "C"),
        receipt + "A" * 10_000,
        "",
        "..",
    ):
        with pytest.raises(SignatureInvalid):
            check_receipt(city.keys, wrong)


async def test_what_is_signed_for_one_purpose_passes_for_no_other(city: City) -> None:
    receipt = (await city.verify(await city.code("good")))["receipt"]
    claims = parts(receipt)[1]
    for purpose in ("bearer", "proof"):
        with pytest.raises(SignatureInvalid):
            verify(city.keys, purpose, receipt)  # type: ignore[arg-type]
        with pytest.raises(SignatureInvalid):
            check_receipt(city.keys, sign(city.keys, purpose, claims))  # type: ignore[arg-type]
    response = await city.client.post(
        "/graphql", json={"query": "{ partner { id } }"}, headers={"authorization": f"Bearer {receipt}"}
    )
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_claims_missing_or_added_are_no_receipt_even_with_our_signature(city: City) -> None:
    claims = parts((await city.verify(await city.code("good")))["receipt"])[1]
    for wrong in (claims | {"score": 1}, {key: claims[key] for key in claims if key != "leaf"}):
        with pytest.raises(SignatureInvalid):
            check_receipt(city.keys, sign(city.keys, "receipt", wrong))


async def test_an_old_receipt_verifies_after_its_key_was_retired(city: City, keys_file: Path, tmp_path: Path) -> None:
    receipt = (await city.verify(await city.code("good")))["receipt"]
    after = rotated(keys_file, tmp_path, "receipt")
    (tmp_path / "jwks.json").write_bytes(orjson.dumps(after.jwks()))
    assert check_receipt(load_public_keys(tmp_path / "jwks.json"), receipt)["outcome"] == "BENEFIT_APPLIES"
    renewed = sign(after, "receipt", parts(receipt)[1])
    assert parts(renewed)[0]["kid"] == after.active("receipt").kid != parts(receipt)[0]["kid"]
    with pytest.raises(SignatureInvalid):
        check_receipt(city.keys, renewed)


async def test_another_deployments_receipt_is_refused(city: City, tmp_path: Path) -> None:
    claims = parts((await city.verify(await city.code("good")))["receipt"])[1]
    with pytest.raises(SignatureInvalid):
        check_receipt(city.keys, sign(load_keys(key_file(tmp_path)), "receipt", claims))


async def test_the_recorded_answer_and_the_log_hold_the_same_receipt(city: City) -> None:
    answer = await city.verify(await city.code("plain"))
    (event,) = await city.log("plain")
    assert event["receipt"] == answer["receipt"]
    assert [row.outcome for row in await city.rows(verifications)] == ["STANDARD_SERVICE"]
