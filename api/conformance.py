"""The conformance run in the API. One thing to know: it goes by the real time, however far its partner has moved its
own clock, and is there in the sandbox alone (`sandbox_acts`)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from api.context import Info
from api.errors import Problem
from api.ids import public_id, uuid_of
from api.mutations import mutation
from api.permissions import PARTNER, access
from api.sandbox_acts import Desk, SandboxOnly, desk_of
from api.verification import checked_text
from core.errors import BadInput
from core.identifiers import new_id
from core.keys import b64encode
from partners.eligibility import Outcome
from partners.sandbox import conformance, exercises, faults
from partners.sandbox.personas import Persona
from partners.sandbox.steps import STEPS
from partners.sandbox.synthetic import Role, offer_id
from partners.webhooks.signing import new_secret, secret_text

if TYPE_CHECKING:
    pass

LONGEST_VERDICT = 200


@strawberry.type(description="A synthetic offer.", directives=access(PARTNER))
class SandboxOffer:
    """What it shows, and its id."""

    role: Role = strawberry.field(description="What it is there to show.")
    id: strawberry.ID = strawberry.field(description="For `verifyCreditCode`.")


@strawberry.type(description="One thing that a partner's program has to handle.", directives=access(PARTNER))
class ConformanceStep:
    """A step and how far it is."""

    code: str = strawberry.field(description="Stable code.")
    title: str = strawberry.field(description="In a few words.")
    instruction: str = strawberry.field(description="What to do.")
    mandatory: bool = strawberry.field(description="Whether the run asks for it; the others may be left out.")
    persona: Persona | None = strawberry.field(description="Whose code it takes; null: none.")
    fault: faults.Fault = strawberry.field(description="What goes wrong with that code.")
    offer: Role | None = strawberry.field(
        description="At which offer to scan it; null: at the one that `sandboxCode` names."
    )
    passed: bool = strawberry.field(description="Whether the sandbox has seen it done.")
    missing: str = strawberry.field(description="What is still missing; empty once passed.")
    materials: list[str] = strawberry.field(description="What it takes besides codes, for example receipts A to F.")


@strawberry.type(description="A conformance run.", directives=access(PARTNER))
class ConformanceRun:
    """What is asked, and what was seen."""

    id: strawberry.ID = strawberry.field(description="Of the run.")
    state: str = strawberry.field(description="RUNNING, PASSED or FAILED.")
    started_at: datetime = strawberry.field(description="Requests from then on count.")
    finished_at: datetime | None = strawberry.field(description="When its result was settled.")
    webhook_secret: str | None = strawberry.field(description="Signs the events of this run; null without endpoint.")
    steps: list[ConformanceStep] = strawberry.field(description="In the order in which they are best done.")
    offers: list[SandboxOffer] = strawberry.field(description="The partner's synthetic offers.")


@strawberry.input(description="Where events can be sent.")
class StartConformanceRunInput:
    """For `startConformanceRun`."""

    webhook_url: str | None = strawberry.field(default=None, description="Address of your endpoint.")


@strawberry.input(description="Which run.")
class SendConformanceWebhooksInput:
    """For `sendConformanceWebhooks`."""

    run_id: strawberry.ID = strawberry.field(description="The run.")


@strawberry.input(description="Which run.")
class FinishConformanceRunInput:
    """For `finishConformanceRun`."""

    run_id: strawberry.ID = strawberry.field(description="The run.")


@strawberry.input(description="What you found out.")
class ReportConformanceInput:
    """For `reportConformance`."""

    run_id: strawberry.ID = strawberry.field(description="The run.")
    step: str = strawberry.field(description="Code of the step: RECEIPTS, KEY_CHANGE or WEBHOOKS.")
    verdict: str = strawberry.field(description="As the step's instruction says; at most 200 characters.")


StartConformanceRunResult = Annotated[
    ConformanceRun | Problem, strawberry.union("StartConformanceRunResult", description="The run, or why not.")
]
SendConformanceWebhooksResult = Annotated[
    ConformanceRun | Problem, strawberry.union("SendConformanceWebhooksResult", description="The run, or why not.")
]
ReportConformanceResult = Annotated[
    ConformanceRun | Problem, strawberry.union("ReportConformanceResult", description="The run, or why not.")
]
FinishConformanceRunResult = Annotated[
    ConformanceRun | Problem, strawberry.union("FinishConformanceRunResult", description="The run, or why not.")
]


def _shown(run: conformance.Run) -> ConformanceRun:
    steps = [
        ConformanceStep(
            code=step.code,
            title=step.title,
            instruction=step.instruction,
            mandatory=step.mandatory,
            persona=step.persona,
            fault=step.fault,
            offer=step.offer,
            passed=not run.missing[step.code],
            missing=run.missing[step.code],
            materials=list(run.materials.get(step.code, ())),
        )
        for step in STEPS
    ]
    return ConformanceRun(
        id=strawberry.ID(public_id("ConformanceRun", run.id)),
        state=run.state,
        started_at=run.started_at,
        finished_at=run.finished_at,
        webhook_secret=secret_text(bytes.fromhex(run.webhook_secret)) if run.webhook_secret else None,
        steps=steps,
        offers=[
            SandboxOffer(role=role, id=strawberry.ID(public_id("Offer", offer_id(run.partner_id, role))))
            for role in Role
        ],
    )


@strawberry.type
class ConformanceQueries:
    """Looking at a run."""

    @strawberry.field(
        description="A conformance run of the partner signed in; null outside the sandbox.", directives=access(PARTNER)
    )
    async def conformance_run(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The run.")],  # noqa: A002
    ) -> ConformanceRun | None:
        """Null where there is none."""
        try:
            desk = await desk_of(info.context)
            async with desk.state.database.reading() as connection:
                run_id = uuid_of(id, "ConformanceRun")
                return _shown(await conformance.find_run(connection, run_id=run_id, partner_id=desk.partner_id))
        except (SandboxOnly, conformance.NoSuchRun):
            return None


@strawberry.type
class ConformanceMutations:
    """A run from its beginning to its result."""

    @mutation(description="Sandbox: begin a conformance run; one that is open is closed.", to=PARTNER)
    async def start_conformance_run(self, info: Info, input: StartConformanceRunInput) -> StartConformanceRunResult:  # noqa: A002
        """The receipt key changes first, so that its receipts are by a key not seen before."""
        desk = await desk_of(info.context)
        state, secret = desk.state, new_secret()
        if input.webhook_url is not None:
            await exercises.check_address(input.webhook_url, private_allowed=_private_allowed(desk))
        await exercises.change_receipt_key(state.keys)
        async with desk.transaction() as connection:
            run = await conformance.start_run(
                connection,
                partner_id=desk.partner_id,
                account=desk.account,
                receipt=_receipt(desk),
                webhook=None if input.webhook_url is None else (input.webhook_url, secret.hex()),
                now=desk.now,
            )
        return _shown(run)

    @mutation(description="Sandbox: have the run's events sent to the partner's endpoint, now.", to=PARTNER)
    async def send_conformance_webhooks(
        self,
        info: Info,
        input: SendConformanceWebhooksInput,  # noqa: A002
    ) -> SendConformanceWebhooksResult:
        """Nothing is held in the database while the partner's endpoint takes its time."""
        desk, run_id = await desk_of(info.context), uuid_of(input.run_id, "ConformanceRun")
        async with desk.transaction() as connection:
            row = await conformance.open_run(connection, run_id=run_id, partner_id=desk.partner_id, now=desk.now)
        if row.steps["webhook_url"] is None:
            raise BadInput("这次运行没有给出 webhookUrl。请带上它重新开始。")
        sender = exercises.Sender(desk.state.keys, desk.state.settings.issuer, _private_allowed(desk))
        answers, expected = await exercises.send_webhooks(
            sender,
            url=row.steps["webhook_url"],
            secret=bytes.fromhex(row.steps["webhook_secret"]),
            now=desk.now,
        )
        async with desk.transaction() as connection:
            run = await conformance.note_webhooks(
                connection, run_id=run_id, partner_id=desk.partner_id, answers=answers, expected=expected, now=desk.now
            )
        return _shown(run)

    @mutation(description="Sandbox: report what only the partner can know.", to=PARTNER)
    async def report_conformance(self, info: Info, input: ReportConformanceInput) -> ReportConformanceResult:  # noqa: A002
        """May be done again."""
        if input.verdict:  # of six receipts none may be genuine
            checked_text("verdict", input.verdict, LONGEST_VERDICT)
        desk, run_id = await desk_of(info.context), uuid_of(input.run_id, "ConformanceRun")
        async with desk.transaction() as connection:
            run = await conformance.report(
                connection,
                run_id=run_id,
                partner_id=desk.partner_id,
                step=input.step,
                verdict=input.verdict,
                now=desk.now,
            )
        return _shown(run)

    @mutation(description="Sandbox: settle the run's result.", to=PARTNER)
    async def finish_conformance_run(self, info: Info, input: FinishConformanceRunInput) -> FinishConformanceRunResult:  # noqa: A002
        """PASSED if every mandatory step is."""
        desk, run_id = await desk_of(info.context), uuid_of(input.run_id, "ConformanceRun")
        async with desk.transaction() as connection:
            run = await conformance.finish_run(
                connection, run_id=run_id, partner_id=desk.partner_id, account=desk.account, now=desk.now
            )
        return _shown(run)


def _private_allowed(desk: Desk) -> bool:
    """Only a demonstration may be told to send to its own machine: a sandbox stands in the same network as the live
    side does."""
    return desk.state.settings.environment == "demo"


def _receipt(desk: Desk) -> dict[str, Any]:
    """What the receipts of a run say."""
    return {
        "iss": desk.state.settings.issuer,
        "iat": int(desk.now.timestamp()),
        "partner": public_id("Partner", desk.partner_id),
        "offer": public_id("Offer", offer_id(desk.partner_id, Role.MAIN)),
        "offerVersion": 1,
        "outcome": Outcome.BENEFIT_APPLIES.value,
        "leaf": b64encode(new_id().bytes * 2),
    }
