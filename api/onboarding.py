"""The way into the alliance: applying, handing in papers, the steps. One thing to know: applying is open to everybody,
so it is counted by address and in all; every later step is by whoever the table of moves names."""

from __future__ import annotations

import binascii
from base64 import b64decode
from datetime import timedelta
from typing import Annotated

import strawberry

from api.case_requests import FilesClosed
from api.context import Context, Info, State
from api.errors import Problem
from api.ids import key_of, public_id, uuid_of
from api.memberships import DESKS, Membership, PartnerDocument, document_of, membership_of
from api.mutations import mutation
from api.permissions import ANYONE, APPLICANT, OPERATOR, REPRESENTATIVE, STAFF, access
from api.running.limits import Throttled
from api.verification import checked_text
from core.errors import BadInput, ExpectedError
from partners.accounts import Principal
from partners.onboarding.applications import Applicant, apply_for_partnership
from partners.onboarding.documents import DocumentKind, add_document, store_document
from partners.onboarding.keys import read_public_key
from partners.onboarding.membership import Grounds, move_partner
from partners.onboarding.workflow import Act, EvidenceMissing, Status, hold_partner
from partners.sandbox.conformance import passed_run

LONGEST_NAME, LONGEST_REASON, LONGEST_ENCODED = 100, 500, 940_000
AN_HOUR, FROM_ONE_ADDRESS, FROM_ALL = 3600, 10, 200
"""Applications in an hour: an organisation needs one, and operators cannot look at more. The demo has its own."""


class NotInSandbox(ExpectedError):
    """What concerns the alliance itself is done outside the sandbox."""

    code = "NOT_IN_SANDBOX"


class NoSandbox(ExpectedError):
    """The deployment has no sandbox."""

    code = "NO_SANDBOX"


@strawberry.type(description="An application that was begun.", directives=access(ANYONE))
class PartnerApplication:
    """Sign in with the key to go on."""

    id: strawberry.ID = strawberry.field(description="Opaque id.")
    partner_id: strawberry.ID = strawberry.field(description="Id of the partner: `iss` and `sub` of its assertions.")
    status: Status = strawberry.field(description="DRAFT: hand in papers, then submit.")
    key_id: strawberry.ID = strawberry.field(description="Id of the key.")
    kid: str = strawberry.field(description="Thumbprint of the key: `kid` in the head of its assertions.")
    account: str = strawberry.field(description="The account that whoever holds the key acts through.")


@strawberry.input(description="An organisation that wants to join the incentive alliance.")
class ApplyForPartnershipInput:
    """For `applyForPartnership`."""

    place: str = strawberry.field(description="Folder name of its place, for example hunan-shaoyang.")
    sector: str = strawberry.field(description="What it is: bank, hospital, scenic …")
    name: str = strawberry.field(description="Its full name.")
    uscc: str = strawberry.field(description="Its unified social credit code (GB 32100).")
    contact: str = strawberry.field(default="", description="A department's address, switchboard or mailbox.")
    public_key: str = strawberry.field(description="A public JWK (Ed25519, or P-256 for ES256) as text.")


@strawberry.input(description="A paper of a partner.")
class AddPartnerDocumentInput:
    """For `addPartnerDocument`."""

    partner_id: strawberry.ID | None = strawberry.field(default=None, description="For staff: whose paper it is.")
    kind: DocumentKind = strawberry.field(description="What it is.")
    title: str = strawberry.field(description=f"File name or title, 1 to {LONGEST_NAME} characters.")
    content: str = strawberry.field(description="A PDF, PNG or JPEG of at most 700 KB, in base64.")


@strawberry.input(description="An application to hand in.")
class SubmitApplicationInput:
    """For `submitApplication`."""

    partner_id: strawberry.ID | None = strawberry.field(default=None, description="For operators: whose application.")


@strawberry.input(description="A partner's next step.")
class MovePartnerInput:
    """For `movePartner`."""

    partner_id: strawberry.ID = strawberry.field(description="Which partner.")
    to: Status = strawberry.field(description="Where it stands after the step.")
    reason: str = strawberry.field(default="", description="What is said about it; the partner reads it.")
    contract_number: str = strawberry.field(default="", description="With CONTRACTED: number of the contract.")
    document_id: strawberry.ID | None = strawberry.field(default=None, description="With CONTRACTED: its text.")


ApplyForPartnershipResult = Annotated[
    PartnerApplication | Problem,
    strawberry.union("ApplyForPartnershipResult", description="The application, or why not."),
]
AddPartnerDocumentResult = Annotated[
    PartnerDocument | Problem, strawberry.union("AddPartnerDocumentResult", description="The paper, or why not.")
]
SubmitApplicationResult = Annotated[
    Membership | Problem, strawberry.union("SubmitApplicationResult", description="The partner, or why not.")
]
MovePartnerResult = Annotated[
    Membership | Problem, strawberry.union("MovePartnerResult", description="The partner, or why not.")
]


def check_live_side(state: State) -> None:
    """Refuse in the sandbox what concerns the alliance itself.

    Raises:
        NotInSandbox
    """
    if state.rehearsal is not None:
        raise NotInSandbox("加入联盟的手续和密钥不在沙箱中办理。请改用正式地址 /graphql。")


def longest_key(state: State) -> timedelta:
    """How long a key lasts at most."""
    return timedelta(days=state.settings.partner_key_days)


def optional_text(name: str, value: str, longest: int) -> str:
    """`value`, checked where there is one."""
    return checked_text(name, value, longest) if value else ""


def act_of(principal: Principal, context: Context, reason: str = "") -> Act:
    """Who does something now, and why."""
    return Act(principal.account, principal.role, context.now, optional_text("reason", reason, LONGEST_REASON))


def partner_meant(principal: Principal, given: str | None) -> int:
    """The partner that an act is for: one's own, or for staff the one named.

    Raises:
        BadInput: staff named none, or somebody named another's.
    """
    named = None if given is None else key_of(given, "Partner")
    if principal.partner_id is not None:
        if named not in {None, principal.partner_id}:
            raise BadInput("partnerId 不是贵单位。请不写,或写贵单位的编号。")
        return principal.partner_id
    if named is None:
        raise BadInput("请在 partnerId 中写明是哪家机构。")
    return named


async def _count_application(context: Context) -> None:
    settings = context.state.settings
    one, total = (FROM_ONE_ADDRESS, FROM_ALL) if settings.environment == "production" else (settings.rate_burst,) * 2
    for bucket, burst in ((f"applying:{context.remote}", one), ("applying", total)):
        rate = burst / AN_HOUR
        if not await context.state.cache.take(bucket, wanted=1, per_second=rate, burst=burst):
            raise Throttled("申请过于频繁。请一小时后再试,或联系运营人员。")


@strawberry.type
class OnboardingMutations:
    """From an application to LIVE, and out again."""

    @mutation(description="Apply to join the alliance, with a key to sign in by.", to=ANYONE)
    async def apply_for_partnership(
        self,
        info: Info,
        input: ApplyForPartnershipInput,  # noqa: A002
    ) -> ApplyForPartnershipResult:
        """An applicant hands in papers and submits; it may do no more until it is qualified."""
        context, state = info.context, info.context.state
        check_live_side(state)
        given = Applicant(
            place=checked_text("place", input.place, LONGEST_NAME),
            sector=checked_text("sector", input.sector, 20),
            name=checked_text("name", input.name, LONGEST_NAME),
            uscc=input.uscc,
            contact=optional_text("contact", input.contact, LONGEST_NAME),
        )
        key = read_public_key(input.public_key)
        await _count_application(context)
        async with state.database.transaction() as connection:
            row = await apply_for_partnership(
                connection,
                given=given,
                key=key,
                rulebook=state.rulebook,
                longest=longest_key(state),
                now=context.now,
            )
        return PartnerApplication(
            id=strawberry.ID(public_id("PartnerApplication", row.partner_id)),
            partner_id=strawberry.ID(public_id("Partner", row.partner_id)),
            status=Status.DRAFT,
            key_id=strawberry.ID(public_id("PartnerKey", row.id)),
            kid=row.kid,
            account=row.account,
        )

    @mutation(description="Hand in a paper of a partner.", to=(*APPLICANT, *REPRESENTATIVE, *STAFF))
    async def add_partner_document(
        self,
        info: Info,
        input: AddPartnerDocumentInput,  # noqa: A002
    ) -> AddPartnerDocumentResult:
        """Checked by its content; what runs is refused."""
        context, state = info.context, info.context.state
        check_live_side(state)
        title = checked_text("title", input.title, LONGEST_NAME)
        content = _decoded(input.content)
        async with state.database.reading() as connection:
            principal = await context.principal(connection)
            partner_id = partner_meant(principal, input.partner_id)
        if state.files is None:
            raise FilesClosed("本平台没有开通材料上传。请联系运营人员。")
        stored = await store_document(state.files, title=title, content=content)
        async with state.database.transaction() as connection:
            await hold_partner(connection, partner_id)
            act = act_of(principal, context)
            row = await add_document(connection, partner_id, kind=input.kind, title=title, stored=stored, act=act)
        return document_of(row)

    @mutation(description="Hand an application in.", to=(*DESKS, *OPERATOR))
    async def submit_application(
        self,
        info: Info,
        input: SubmitApplicationInput,  # noqa: A002
    ) -> SubmitApplicationResult:
        """It needs a licence among its papers."""
        context = info.context
        return await _moved(context, input.partner_id, Status.SUBMITTED, "", Grounds())

    @mutation(description="Take a partner to its next stage, or back, or out.", to=STAFF)
    async def move_partner(self, info: Info, input: MovePartnerInput) -> MovePartnerResult:  # noqa: A002
        """Who may, and on what evidence, the table of moves says."""
        context, run = info.context, None
        document = None if input.document_id is None else uuid_of(input.document_id, "PartnerDocument").hex
        sandbox = context.state.sandbox
        if sandbox is None and input.to in {Status.SANDBOX, Status.CERTIFIED}:
            raise NoSandbox("本部署没有沙箱,不能进行这一步。请设置 XINYI_SANDBOX_DATABASE_URL 并重新启动。")
        if sandbox is not None and input.to is Status.CERTIFIED:
            await sandbox.ready()
            async with sandbox.database.reading() as connection:
                key = key_of(input.partner_id, "Partner")
                run = await passed_run(connection, partner_id=key, now=context.now)
        grounds = Grounds(
            contract_number=optional_text("contractNumber", input.contract_number, LONGEST_NAME),
            document=document or "",
            run=None if run is None else {"id": str(run.id), "finishedAt": str(run.finished_at)},
        )
        return await _moved(context, input.partner_id, input.to, input.reason, grounds)


async def _moved(context: Context, given: str | None, to: Status, reason: str, grounds: Grounds) -> Membership:
    check_live_side(context.state)
    async with context.state.database.transaction() as connection:
        principal = await context.principal(connection)
        partner_id = partner_meant(principal, given)
        await move_partner(connection, partner_id, to=to, act=act_of(principal, context, reason), grounds=grounds)
        found = await membership_of(connection, partner_id, reader=principal, now=context.now)
    if found is None:
        raise EvidenceMissing("没有这家机构。请核对机构编号。")
    return found


def _decoded(encoded: str) -> bytes:
    if len(encoded) > LONGEST_ENCODED:
        raise BadInput(f"content 最多 {LONGEST_ENCODED} 个字符(约 700 KB)。请压缩文件后重试。")
    try:
        return b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise BadInput("content 须为 base64 编码。请重新编码后重试。") from None
