"""Where webhooks may be sent. One thing to know: a partner chooses the address and our servers go there, so nothing
that only they can reach may be among them, whatever a name resolves to and whenever."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from webhook_receivers import Receiver, serving

from api.jobs.webhook_sending import posting
from core.identifiers import new_id
from core.keys import Keys, load_keys
from partners.webhooks import addresses
from partners.webhooks.addresses import AddressRefused, find_target, may_be_sent_to, parse_url
from partners.webhooks.delivery import Parcel, Undelivered

PUBLIC = "203.0.114.7"
OPEN = [
    "8.8.8.8",
    "1.1.1.1",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "2400:3200::1",
    "2606:4700::1",
]
NEVER = {
    "this network": ["0.0.0.0", "0.1.2.3"],
    "carriers' own": ["100.64.0.1", "100.127.255.255"],
    "metadata": ["169.254.169.254", "100.100.100.200", "168.63.129.16", "169.254.0.23", "192.0.0.192", "fd00:ec2::254"],
    "link-local": ["169.254.1.1", "fe80::1"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "reserved": [
        "240.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
        "198.18.0.1",
        "2001:db8::1",
    ],
    "IPv4 inside IPv6": ["::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "2002:7f00:1::", "2001::7f00:1"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::8.8.8.8", "64:ff9b:1::a00:1"],
    "site-local and others": ["fec0::1", "::", "100::1", "3fff::1", "5f00::1"],
}
OWN = ["127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "::1", "fd12::1", "fc00::1"]

Resolver = Callable[[str, int], Awaitable[list[str]]]


def saying(*answers: list[str]) -> Resolver:
    """A name server that gives these answers in turn, the last one for ever."""
    left = list(answers)

    async def resolver(_: str, __: int) -> list[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolver


@pytest.mark.parametrize("address", OPEN)
def test_an_address_of_the_open_internet_may_be_sent_to(address: str) -> None:
    assert may_be_sent_to(ip_address(address))


@pytest.mark.parametrize("address", [one for group in NEVER.values() for one in group])
def test_an_address_of_a_special_sort_may_never_be_sent_to(address: str) -> None:
    assert not may_be_sent_to(ip_address(address))
    assert not may_be_sent_to(ip_address(address), private_allowed=True)


@pytest.mark.parametrize("address", OWN)
def test_an_address_of_ones_own_may_be_sent_to_in_a_demonstration_alone(address: str) -> None:
    assert not may_be_sent_to(ip_address(address))
    assert may_be_sent_to(ip_address(address), private_allowed=True)


@given(st.ip_addresses())
def test_whatever_is_sent_to_is_global_and_one_machine(address: Any) -> None:
    if may_be_sent_to(address):
        assert address.is_global
        sorts = ("private", "loopback", "link_local", "multicast", "reserved", "unspecified")
        assert not any(getattr(address, f"is_{sort}") for sort in sorts)
        assert getattr(address, "ipv4_mapped", None) is getattr(address, "sixtofour", None) is None


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com/", "https://"),
        ("ftp://example.com/", "https://"),
        ("file:///etc/passwd", "https://"),
        ("//example.com/", "https://"),
        ("https:///path", "有效的网址|主机名"),
        ("https://user:secret@example.com/", "用户名"),
        ("https://user@example.com/", "用户名"),
        ("https://example.com/#part", "片段"),
        ("https://example.com:8080/", "端口"),
        ("https://example.com:22/", "端口"),
        ("https://example.com:0/", "端口"),
        ("https://example.com:99999/", "端口"),
        ("https://exa mple.com/", "空格"),
        ("https://example.com\\@127.0.0.1/", "反斜杠"),
        ("https://example.com/\r\nx: y", "ASCII"),
        ("https://例子.com/", "ASCII"),
        ("https://example.com/" + "a" * 500, "500"),
        ("", "https://"),
        ("example.com", "https://"),
    ],
)
def test_a_url_that_is_not_plain_https_to_a_name_is_refused(url: str, why: str) -> None:
    with pytest.raises(AddressRefused, match=why):
        parse_url(url, private_allowed=False)


@pytest.mark.parametrize("url", ["https://example.com", "https://example.com:443/a?b=c", "HTTPS://EXAMPLE.COM:8443/"])
async def test_plain_https_to_a_public_name_is_taken(url: str) -> None:
    target = await find_target(url, private_allowed=False, resolver=saying(["8.8.8.8", "2606:4700::1"]))
    assert str(target.address) == "8.8.8.8"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "localhost", "[::1]"])
async def test_every_spelling_of_this_machine_is_refused(host: str) -> None:
    with pytest.raises(AddressRefused, match=r"内部|解析不到|有效的网址"):
        await find_target(f"https://{host}/", private_allowed=False)


@pytest.mark.parametrize("found", [["8.8.8.8", "10.0.0.1"], ["::ffff:8.8.8.8"], ["fe80::1%eth0"], ["169.254.169.254"]])
async def test_a_name_is_refused_if_any_of_its_addresses_is(found: list[str]) -> None:
    with pytest.raises(AddressRefused, match="内部"):
        await find_target("https://example.com/", private_allowed=False, resolver=saying(found))


async def test_a_name_that_leads_nowhere_is_refused() -> None:
    async def nowhere(*_: object) -> list[str]:
        raise OSError

    for resolver in (nowhere, saying([])):
        with pytest.raises(AddressRefused, match="解析不到"):
            await find_target("https://example.com/", private_allowed=False, resolver=resolver)


# Sending.


@pytest.fixture(scope="module")
def keys(keys_file: Path) -> Keys:
    return load_keys(keys_file)


def parcel(url: str) -> Parcel:
    return Parcel(new_id(), new_id(), 1, 1, url, (b"s" * 32,), "test", {}, datetime.now(UTC), 1)


async def send(keys: Keys, url: str, resolver: Resolver, *, times: int = 1, **given: Any) -> list[int | str]:
    """What became of so many deliveries in one pass."""
    became: list[int | str] = []
    async with AsyncExitStack() as opened:
        deliver = posting(opened, keys, issuer="x", resolver=resolver, **{"private_allowed": False, **given})
        for _ in range(times):
            try:
                became.append(await deliver(parcel(url), datetime.now(UTC)))
            except Undelivered as undelivered:
                became.append(str(undelivered))
    return became


async def test_a_name_that_changes_its_mind_leads_nowhere(keys: Keys) -> None:
    # Good when it was registered, ours when it is sent to.
    rebinding = saying(["8.8.8.8"], ["127.0.0.1"])
    with serving(Receiver()) as receiver:
        url = f"https://rebind.example:{addresses.PORTS[1]}/"
        await find_target(url, private_allowed=False, resolver=rebinding)
        (became,) = await send(keys, url, rebinding)
        assert "内部" in str(became)
        assert receiver.got == []


async def test_the_connection_goes_to_the_address_that_was_looked_at(keys: Keys) -> None:
    # A second look-up, by whoever connects, would get another answer: there is none.
    asked: list[str] = []

    async def resolver(host: str, _: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    with serving(Receiver()) as receiver:
        url = f"http://no-such-name.invalid:{receiver.port}/hooks?a=b"
        assert await send(keys, url, resolver, private_allowed=True, times=2) == [204, 204]
        assert asked == ["no-such-name.invalid"] * 2
        assert [one.headers["host"] for one in receiver.got] == [f"no-such-name.invalid:{receiver.port}"] * 2


def certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """A certificate for a name, and a client's trust in it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path, plain = folder / f"{name}.pem", serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    trust = ssl.create_default_context(cadata=made.public_bytes(serialization.Encoding.PEM).decode())
    return path, trust


async def test_the_certificate_is_checked_for_the_name_though_the_connection_goes_to_the_address(
    keys: Keys, tmp_path: Path
) -> None:
    path, trust = certificate(tmp_path, "hooks.example")
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(path)
    receiver = Receiver()
    receiver.server.socket = served.wrap_socket(receiver.server.socket, server_side=True)
    receiver.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hangs up
    with serving(receiver):
        given = {"private_allowed": True, "trust": trust, "resolver": saying(["127.0.0.1"])}
        assert await send(keys, f"https://hooks.example:{receiver.port}/", **given) == [204]
        (became,) = await send(keys, f"https://other.example:{receiver.port}/", **given)
        assert became == "无法连接或答复有误(ConnectError)"
        assert len(receiver.got) == 1


async def test_one_that_does_not_answer_is_given_up_in_time(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.jobs.webhook_sending.TIMEOUT_SECONDS", 0.3)
    hold, receiver = threading.Event(), Receiver()

    def late(_: str) -> int:
        hold.wait(5)
        return 200

    receiver.answer = late
    with serving(receiver):
        (became,) = await send(keys, receiver.url, saying(["127.0.0.1"]), private_allowed=True)
        assert became == "0.3 秒内没有答复"
        hold.set()
