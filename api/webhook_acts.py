"""What a partner's representative does about webhooks. One thing to know: an address is looked at before it is
registered, and again at each attempt; a secret is in an answer once, when it is made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, TypedDict
from uuid import UUID

import strawberry
from sqlalchemy.ext.asyncio import AsyncConnection

from api.context import Context, Info
from api.errors import Problem
from api.ids import uuid_of
from api.jobs.webhook_sending import private_allowed
from api.mutations import mutation
from api.permissions import REPRESENTATIVE, access
from api.verification import checked_text
from api.webhooks import WebhookEndpoint, asking_partner, endpoint_of
from core.errors import BadInput
from partners.webhooks.addresses import LONGEST_URL, find_target
from partners.webhooks.endpoints import (
    change_endpoint,
    list_endpoints,
    pause_endpoint,
    register_endpoint,
    remove_endpoint,
    resume_endpoint,
    rotate_secret,
)
from partners.webhooks.log import replay_events, resend_event, send_test, skip_event
from partners.webhooks.signing import secret_text

LONGEST_REASON = 200


@strawberry.type(description="An endpoint with a fresh secret.", directives=access(REPRESENTATIVE))
class WebhookSecret:
    """Result of `registerWebhook` and `rotateWebhookSecret`."""

    endpoint: WebhookEndpoint = strawberry.field(description="The endpoint.")
    secret: str = strawberry.field(description="whsec_…, to check signatures with. Shown now and never again: keep it.")


@strawberry.type(description="An endpoint that is gone.", directives=access(REPRESENTATIVE))
class RemovedWebhook:
    """Result of `removeWebhook`."""

    id: strawberry.ID = strawberry.field(description="Its id.")


@strawberry.type(description="What will be sent again, or is let be.", directives=access(REPRESENTATIVE))
class WebhooksAsked:
    """Result of `resendWebhook`, `skipWebhook`, `replayWebhooks` and `sendTestWebhook`."""

    deliveries: int = strawberry.field(description="How many deliveries it concerns.")
    event_id: strawberry.ID | None = strawberry.field(description="The event, where it is one: its webhook-id.")


@strawberry.input(description="Where to send events.")
class RegisterWebhookInput:
    """For `registerWebhook`."""

    url: str = strawberry.field(description="https, port 443 or 8443, on the open internet.")
    events: list[str] = strawberry.field(default_factory=list, description="Types wanted, such as order.*; empty: all.")


@strawberry.input(description="What to change about an endpoint.")
class ChangeWebhookInput:
    """For `changeWebhook`. Secret and backlog stay."""

    endpoint_id: strawberry.ID = strawberry.field(description="The endpoint.")
    url: str | None = strawberry.field(default=None, description="Another address; left out, it stays.")
    events: list[str] | None = strawberry.field(default=None, description="Other types; left out, they stay.")


@strawberry.input(description="Whose secret to change.")
class RotateWebhookSecretInput:
    """For `rotateWebhookSecret`."""

    endpoint_id: strawberry.ID = strawberry.field(description="The endpoint.")


@strawberry.input(description="Which endpoint to go on with.")
class ResumeWebhookInput:
    """For `resumeWebhook`."""

    endpoint_id: strawberry.ID = strawberry.field(description="The endpoint.")


@strawberry.input(description="Which endpoint to remove.")
class RemoveWebhookInput:
    """For `removeWebhook`."""

    endpoint_id: strawberry.ID = strawberry.field(description="The endpoint.")


@strawberry.input(description="Which endpoint to try.")
class SendTestWebhookInput:
    """For `sendTestWebhook`."""

    endpoint_id: strawberry.ID = strawberry.field(description="The endpoint.")


@strawberry.input(description="Which endpoint to pause, and why.")
class PauseWebhookInput:
    """For `pauseWebhook`."""

    endpoint_id: strawberry.ID = strawberry.field(description="The endpoint.")
    reason: str = strawberry.field(default="机构自行暂停", description="For those who come after.")


@strawberry.input(description="Which event to send again.")
class ResendWebhookInput:
    """For `resendWebhook`."""

    event_id: strawberry.ID = strawberry.field(description="As in the header webhook-id, or in the log.")


@strawberry.input(description="Which event to let be.")
class SkipWebhookInput:
    """For `skipWebhook`."""

    event_id: strawberry.ID = strawberry.field(description="As in the header webhook-id, or in the log.")


@strawberry.input(description="Which events, by when they happened.")
class ReplayWebhooksInput:
    """For `replayWebhooks`."""

    since: datetime = strawberry.field(description="From this instant.")
    until: datetime = strawberry.field(description="Until before this one.")


RegisterWebhookResult = Annotated[
    WebhookSecret | Problem, strawberry.union("RegisterWebhookResult", description="The endpoint, or why not.")
]
ChangeWebhookResult = Annotated[
    WebhookEndpoint | Problem, strawberry.union("ChangeWebhookResult", description="As it is now, or why not.")
]
RotateWebhookSecretResult = Annotated[
    WebhookSecret | Problem, strawberry.union("RotateWebhookSecretResult", description="The new secret, or why not.")
]
PauseWebhookResult = Annotated[
    WebhookEndpoint | Problem, strawberry.union("PauseWebhookResult", description="As it is now, or why not.")
]
ResumeWebhookResult = Annotated[
    WebhookEndpoint | Problem, strawberry.union("ResumeWebhookResult", description="As it is now, or why not.")
]
RemoveWebhookResult = Annotated[
    RemovedWebhook | Problem, strawberry.union("RemoveWebhookResult", description="That it is gone, or why not.")
]
ResendWebhookResult = Annotated[
    WebhooksAsked | Problem, strawberry.union("ResendWebhookResult", description="What is sent again, or why not.")
]
SkipWebhookResult = Annotated[
    WebhooksAsked | Problem, strawberry.union("SkipWebhookResult", description="What is let be, or why not.")
]
ReplayWebhooksResult = Annotated[
    WebhooksAsked | Problem, strawberry.union("ReplayWebhooksResult", description="What is sent again, or why not.")
]
SendTestWebhookResult = Annotated[
    WebhooksAsked | Problem, strawberry.union("SendTestWebhookResult", description="What is sent, or why not.")
]


class _By(TypedDict):
    """Who acts, for which partner, and when."""

    partner_id: int
    actor: str
    now: datetime


@asynccontextmanager
async def _acting(context: Context) -> AsyncIterator[tuple[AsyncConnection, _By]]:
    """A transaction, and who acts in it."""
    async with context.state.database.transaction() as connection:
        account, partner_id = await asking_partner(context, connection)
        yield connection, _By(partner_id=partner_id, actor=account, now=context.now)


async def _shown(connection: AsyncConnection, endpoint_id: UUID, by: _By) -> WebhookEndpoint:
    (row,) = await list_endpoints(connection, partner_id=by["partner_id"], endpoint_id=endpoint_id)
    return endpoint_of(row, now=by["now"])


async def _check_address(context: Context, url: str) -> str:
    checked_text("url", url, LONGEST_URL)
    # Before a transaction is begun: looking a name up may take long.
    await find_target(url, private_allowed=private_allowed(context.state))
    return url


def _event_key(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        raise BadInput("eventId 不是事件编号。请原样使用 webhook-id 头或投递记录中的 eventId。") from None


@strawberry.type
class WebhookMutations:
    """All by the partner's representative."""

    @mutation(description="Have events sent to an address.", to=REPRESENTATIVE)
    async def register_webhook(self, info: Info, input: RegisterWebhookInput) -> RegisterWebhookResult:  # noqa: A002
        """The address is looked at now, and again at each attempt."""
        context = info.context
        url = await _check_address(context, input.url)
        async with _acting(context) as (connection, by):
            endpoint_id, secret = await register_endpoint(connection, url=url, events=input.events, **by)
            endpoint = await _shown(connection, endpoint_id, by)
        return WebhookSecret(endpoint=endpoint, secret=secret_text(secret))

    @mutation(description="Change an endpoint's address or types.", to=REPRESENTATIVE)
    async def change_webhook(self, info: Info, input: ChangeWebhookInput) -> ChangeWebhookResult:  # noqa: A002
        """What is left out stays."""
        context, endpoint_id = info.context, uuid_of(input.endpoint_id, "WebhookEndpoint")
        url = None if input.url is None else await _check_address(context, input.url)
        async with _acting(context) as (connection, by):
            await change_endpoint(connection, endpoint_id=endpoint_id, url=url, events=input.events, **by)
            return await _shown(connection, endpoint_id, by)

    @mutation(description="Make a new secret; the former one signs too for 24 hours.", to=REPRESENTATIVE)
    async def rotate_webhook_secret(self, info: Info, input: RotateWebhookSecretInput) -> RotateWebhookSecretResult:  # noqa: A002
        """At once."""
        context, endpoint_id = info.context, uuid_of(input.endpoint_id, "WebhookEndpoint")
        async with _acting(context) as (connection, by):
            secret, _ = await rotate_secret(connection, endpoint_id=endpoint_id, **by)
            endpoint = await _shown(connection, endpoint_id, by)
        return WebhookSecret(endpoint=endpoint, secret=secret_text(secret))

    @mutation(description="Let events pile up for a while.", to=REPRESENTATIVE)
    async def pause_webhook(self, info: Info, input: PauseWebhookInput) -> PauseWebhookResult:  # noqa: A002
        """Nothing is dropped."""
        context, endpoint_id = info.context, uuid_of(input.endpoint_id, "WebhookEndpoint")
        reason = checked_text("reason", input.reason, LONGEST_REASON)
        async with _acting(context) as (connection, by):
            await pause_endpoint(connection, endpoint_id=endpoint_id, reason=reason, **by)
            return await _shown(connection, endpoint_id, by)

    @mutation(description="Go on sending, in order, what has piled up; what had failed as well.", to=REPRESENTATIVE)
    async def resume_webhook(self, info: Info, input: ResumeWebhookInput) -> ResumeWebhookResult:  # noqa: A002
        """From the beginning of the schedule."""
        context, endpoint_id = info.context, uuid_of(input.endpoint_id, "WebhookEndpoint")
        async with _acting(context) as (connection, by):
            await resume_endpoint(connection, endpoint_id=endpoint_id, **by)
            return await _shown(connection, endpoint_id, by)

    @mutation(description="Send nothing to an endpoint any more; its log stays.", to=REPRESENTATIVE)
    async def remove_webhook(self, info: Info, input: RemoveWebhookInput) -> RemoveWebhookResult:  # noqa: A002
        """For good."""
        context, endpoint_id = info.context, uuid_of(input.endpoint_id, "WebhookEndpoint")
        async with _acting(context) as (connection, by):
            await remove_endpoint(connection, endpoint_id=endpoint_id, **by)
        return RemovedWebhook(id=input.endpoint_id)

    @mutation(description="Send one event again, under the id it always had.", to=REPRESENTATIVE)
    async def resend_webhook(self, info: Info, input: ResendWebhookInput) -> ResendWebhookResult:  # noqa: A002
        """To wherever it went."""
        context, event_id = info.context, _event_key(input.event_id)
        async with _acting(context) as (connection, by):
            sent = await resend_event(connection, event_id=event_id, **by)
        return WebhooksAsked(deliveries=sent, event_id=strawberry.ID(str(event_id)))

    @mutation(description="Let an undelivered event be, so that later ones of its lane go on.", to=REPRESENTATIVE)
    async def skip_webhook(self, info: Info, input: SkipWebhookInput) -> SkipWebhookResult:  # noqa: A002
        """It can still be sent again."""
        context, event_id = info.context, _event_key(input.event_id)
        async with _acting(context) as (connection, by):
            skipped = await skip_event(connection, event_id=event_id, **by)
        return WebhooksAsked(deliveries=skipped, event_id=strawberry.ID(str(event_id)))

    @mutation(
        description="Send again, in order, all events of a span to all endpoints that want them.", to=REPRESENTATIVE
    )
    async def replay_webhooks(self, info: Info, input: ReplayWebhooksInput) -> ReplayWebhooksResult:  # noqa: A002
        """Also to endpoints registered since."""
        context = info.context
        if input.since.tzinfo is None or input.until.tzinfo is None:
            raise BadInput("since 和 until 须带时区,例如 2026-11-20T00:00:00+08:00。请改正后重试。")
        async with _acting(context) as (connection, by):
            sent = await replay_events(connection, since=input.since, until=input.until, **by)
        return WebhooksAsked(deliveries=sent, event_id=None)

    @mutation(description="Send an event of type test to one endpoint.", to=REPRESENTATIVE)
    async def send_test_webhook(self, info: Info, input: SendTestWebhookInput) -> SendTestWebhookResult:  # noqa: A002
        """It goes out with the next pass, within seconds."""
        context, endpoint_id = info.context, uuid_of(input.endpoint_id, "WebhookEndpoint")
        async with _acting(context) as (connection, by):
            event_id = await send_test(connection, endpoint_id=endpoint_id, **by)
        return WebhooksAsked(deliveries=1, event_id=strawberry.ID(str(event_id)))
