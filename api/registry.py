"""Officers' work on who is on file: registering, finding, numbers, names, ends, duplicates. One thing to know: whoever
is looked at reads of it on the access log, in the same transaction.

Finding is a mutation, although nothing changes: a query may be sent by GET, and a number in an address ends in logs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Annotated

import strawberry
from sqlalchemy.ext.asyncio import AsyncConnection

from api.context import Context, Info
from api.errors import Problem
from api.ids import key_of, public_id
from api.mutations import mutation
from api.permissions import OPERATOR, REVIEWER, STAFF, access
from api.registered import DuplicateSubjects, EndReason, MergeProposal, RegisteredSubject, registered
from api.scalars import NumberScheme
from api.verification import checked_text
from partners import succession
from partners.access import note_reading
from partners.accounts import Principal
from scoring.registry.identities import Scheme, check_number, find_by
from scoring.registry.merging import Duplicate as Found
from scoring.registry.merging import find_duplicates, open_proposals, propose_merge
from scoring.registry.subjects import (
    Act,
    Registration,
    UnknownSubject,
    add_number,
    rename_subject,
)

LONGEST_REASON, LONGEST_PURPOSE, LONGEST_ACCOUNT = 200, 100, 40


@strawberry.input(description="Whom to put on file.")
class RegisterSubjectInput:
    """For `registerSubject`."""

    place: str = strawberry.field(description="Place it belongs to.")
    scheme: NumberScheme = strawberry.field(description="Kind of its number.")
    number: str = strawberry.field(description="Its number.")
    name: str = strawberry.field(description="Its full name.")
    born_on: date | None = strawberry.field(default=None, description="Where the number does not say it.")
    industry: str | None = strawberry.field(default=None, description="Enterprises: section of GB/T 4754.")
    park: str | None = strawberry.field(default=None, description="Enterprises: code of the park it stands in.")
    account: str | None = strawberry.field(default=None, description="Id of an account of its own to open.")
    reason: str = strawberry.field(default="登记", description="The document behind it.")


@strawberry.input(description="Whose number.")
class FindSubjectInput:
    """For `findSubject`."""

    scheme: NumberScheme = strawberry.field(description="Kind of number.")
    number: str = strawberry.field(description="The number.")
    purpose: str = strawberry.field(description="What for; the subject reads it.")


@strawberry.input(description="Another number of a subject.")
class AddSubjectNumberInput:
    """For `addSubjectNumber`."""

    subject_id: strawberry.ID = strawberry.field(description="The subject.")
    scheme: NumberScheme = strawberry.field(description="Kind of number.")
    number: str = strawberry.field(description="The number.")
    reason: str = strawberry.field(description="The document behind it.")


@strawberry.input(description="A change of name.")
class RenameSubjectInput:
    """For `renameSubject`."""

    subject_id: strawberry.ID = strawberry.field(description="The subject.")
    name: str = strawberry.field(description="The new name.")
    reason: str = strawberry.field(description="The document behind it.")


@strawberry.input(description="The end of a subject.")
class EndSubjectInput:
    """For `endSubject`."""

    subject_id: strawberry.ID = strawberry.field(description="The subject.")
    end_reason: EndReason = strawberry.field(description="What happened.")
    ended_on: date = strawberry.field(description="Since when it is no more.")
    successor_id: strawberry.ID | None = strawberry.field(default=None, description="Enterprises: who took it over.")
    reason: str = strawberry.field(description="The document behind it.")


@strawberry.input(description="An end that was noted by mistake.")
class ReinstateSubjectInput:
    """For `reinstateSubject`."""

    subject_id: strawberry.ID = strawberry.field(description="The subject.")
    reason: str = strawberry.field(description="The document behind it.")


@strawberry.input(description="Two entries that are one subject.")
class ProposeMergeInput:
    """For `proposeMerge`."""

    keep_id: strawberry.ID = strawberry.field(description="The entry that is kept.")
    drop_id: strawberry.ID = strawberry.field(description="The entry that leads to it from then on.")
    reason: str = strawberry.field(description="The document behind it.")


@strawberry.input(description="Two entries that somebody else proposed to make one.")
class MergeSubjectsInput:
    """For `mergeSubjects`."""

    keep_id: strawberry.ID = strawberry.field(description="The entry that is kept.")
    drop_id: strawberry.ID = strawberry.field(description="The entry that leads to it from then on.")
    reason: str = strawberry.field(description="The document behind it.")


RegisterSubjectResult = Annotated[
    RegisteredSubject | Problem, strawberry.union("RegisterSubjectResult", description="On file, or why not.")
]
FindSubjectResult = Annotated[
    RegisteredSubject | Problem, strawberry.union("FindSubjectResult", description="The subject, or why not.")
]
AddSubjectNumberResult = Annotated[
    RegisteredSubject | Problem, strawberry.union("AddSubjectNumberResult", description="The subject, or why not.")
]
RenameSubjectResult = Annotated[
    RegisteredSubject | Problem, strawberry.union("RenameSubjectResult", description="The subject, or why not.")
]
EndSubjectResult = Annotated[
    RegisteredSubject | Problem, strawberry.union("EndSubjectResult", description="The subject, or why not.")
]
ReinstateSubjectResult = Annotated[
    RegisteredSubject | Problem, strawberry.union("ReinstateSubjectResult", description="The subject, or why not.")
]
ProposeMergeResult = Annotated[
    RegisteredSubject | Problem, strawberry.union("ProposeMergeResult", description="The one to be kept, or why not.")
]
MergeSubjectsResult = Annotated[
    RegisteredSubject | Problem, strawberry.union("MergeSubjectsResult", description="The one kept, or why not.")
]


Work = Callable[[AsyncConnection, Principal], Awaitable[int]]


async def _done(info: Info, action: str, purpose: str, work: Work, *, also: Sequence[int] = ()) -> RegisteredSubject:
    """Run `work`, which gives a subject's id, and show that subject; it reads of it, and so do those of `also`."""
    context = info.context
    async with context.state.database.transaction() as connection:
        principal = await context.principal(connection)
        shown = await registered(context, connection, await work(connection, principal))
        read = [key_of(shown.id, "CreditSubject"), *also]
        await _noted(connection, principal, read, action=action, purpose=purpose, now=context.now)
    return shown


async def _looked_at(
    context: Context, connection: AsyncConnection, ids: Iterable[int], *, action: str, purpose: str
) -> dict[int, RegisteredSubject]:
    """Entries of these subjects; each of them reads of it."""
    principal = await context.principal(connection)
    shown = {one: await registered(context, connection, one) for one in sorted(ids)}
    await _noted(connection, principal, shown, action=action, purpose=purpose, now=context.now)
    return shown


async def _noted(
    connection: AsyncConnection, reader: Principal, ids: Iterable[int], *, action: str, purpose: str, now: datetime
) -> None:
    for subject_id in ids:
        await note_reading(
            connection,
            subject_id=subject_id,
            reader=reader.account,
            role=reader.role.value,
            action=action,
            purpose=purpose,
            now=now,
        )


def _act(info: Info, principal: Principal, reason: str) -> Act:
    return Act(principal.account, reason, info.context.now)


def _reason(reason: str) -> str:
    return checked_text("reason", reason, LONGEST_REASON)


def _subject(given: strawberry.ID) -> int:
    return key_of(given, "CreditSubject")


@strawberry.type
class RegistryQueries:
    """What waits for an officer's eye."""

    @strawberry.field(
        description="Entries of a place that may be one subject; at most 100 pairs.", directives=access(STAFF)
    )
    async def find_duplicates(
        self, info: Info, place: Annotated[str, strawberry.argument(description="Place to look through.")]
    ) -> list[DuplicateSubjects]:
        """Each subject shown reads of it."""
        context = info.context
        async with context.state.database.transaction() as connection:
            await context.principal(connection)
            pairs: list[Found] = await find_duplicates(connection, context.state.keys, place=place)
            ids = {one for pair in pairs for one in pair.subject_ids}
            shown = await _looked_at(context, connection, ids, action="findDuplicates", purpose="排查重复登记")
        return [
            DuplicateSubjects(ground=pair.ground, first=shown[pair.subject_ids[0]], second=shown[pair.subject_ids[1]])
            for pair in pairs
        ]

    @strawberry.field(description="Merges that wait for a second person, oldest first.", directives=access(STAFF))
    async def merge_proposals(self, info: Info) -> list[MergeProposal]:
        """Ids alone; look at the subjects by `findSubject`."""
        context = info.context
        async with context.state.database.reading() as connection:
            await context.principal(connection)
            return [
                MergeProposal(
                    keep_id=strawberry.ID(public_id("CreditSubject", one.keep)),
                    drop_id=strawberry.ID(public_id("CreditSubject", one.drop)),
                    proposed_by=one.actor,
                    proposed_at=one.at,
                    reason=one.reason,
                )
                for one in await open_proposals(connection, context.state.keys)
            ]

    @strawberry.field(
        description="The two entries of a merge that waits; null if none of the two does.", directives=access(STAFF)
    )
    async def proposed_pair(
        self,
        info: Info,
        keep_id: Annotated[strawberry.ID, strawberry.argument(description="The entry that is to be kept.")],
        drop_id: Annotated[strawberry.ID, strawberry.argument(description="The entry that is to lead to it.")],
    ) -> DuplicateSubjects | None:
        """Each subject shown reads of it."""
        context, keep, drop = info.context, _subject(keep_id), _subject(drop_id)
        async with context.state.database.transaction() as connection:
            await context.principal(connection)
            waiting = await open_proposals(connection, context.state.keys)
            if not any((one.keep, one.drop) == (keep, drop) for one in waiting):
                return None
            shown = await _looked_at(context, connection, {keep, drop}, action="proposedPair", purpose="复核合并登记")
        return DuplicateSubjects(ground="proposed", first=shown[keep], second=shown[drop])


@strawberry.type
class RegistryMutations:
    """Putting on file, and keeping the file right."""

    @mutation(description="Put a subject on file. One that is on file already stays as it is.", to=OPERATOR)
    async def register_subject(self, info: Info, input: RegisterSubjectInput) -> RegisterSubjectResult:  # noqa: A002
        """With an account of its own, where its id is given."""
        account = None if input.account is None else checked_text("account", input.account, LONGEST_ACCOUNT)
        number = check_number(Scheme[input.scheme.name], input.number)
        given = Registration(
            place=input.place,
            name=checked_text("name", input.name, 100),
            number=number,
            born_on=input.born_on,
            industry=None if input.industry is None else checked_text("industry", input.industry, 1),
            park=None if input.park is None else checked_text("park", input.park, 60),
        )
        reason = _reason(input.reason)
        state = info.context.state

        async def work(connection: AsyncConnection, principal: Principal) -> int:
            act = _act(info, principal, reason)
            subject_id, _ = await succession.register(
                connection, state.keys, given, account=account, rulebook=state.rulebook, act=act
            )
            return subject_id

        return await _done(info, "registerSubject", reason, work)

    @mutation(description="Find a subject by any of its numbers.", to=STAFF)
    async def find_subject(self, info: Info, input: FindSubjectInput) -> FindSubjectResult:  # noqa: A002
        """An old number leads to the subject as well."""
        number = check_number(Scheme[input.scheme.name], input.number)
        purpose = checked_text("purpose", input.purpose, LONGEST_PURPOSE)

        async def work(connection: AsyncConnection, _: Principal) -> int:
            found = await find_by(connection, info.context.state.keys, number)
            if found is None:
                raise UnknownSubject
            return found

        return await _done(info, "findSubject", purpose, work)

    @mutation(description="Map an old code, or another document, to its subject.", to=OPERATOR)
    async def add_subject_number(self, info: Info, input: AddSubjectNumberInput) -> AddSubjectNumberResult:  # noqa: A002
        """A unified code or a citizen number becomes what the subject is keyed by."""
        subject_id, reason = _subject(input.subject_id), _reason(input.reason)
        number = check_number(Scheme[input.scheme.name], input.number)

        async def work(connection: AsyncConnection, principal: Principal) -> int:
            act = _act(info, principal, reason)
            await add_number(connection, info.context.state.keys, subject_id, number, act=act)
            return subject_id

        return await _done(info, "addSubjectNumber", reason, work)

    @mutation(description="Change a subject's name; the old one is kept sealed.", to=OPERATOR)
    async def rename_subject(self, info: Info, input: RenameSubjectInput) -> RenameSubjectResult:  # noqa: A002
        """What is shown of it follows."""
        subject_id, reason = _subject(input.subject_id), _reason(input.reason)
        name = checked_text("name", input.name, 100)

        async def work(connection: AsyncConnection, principal: Principal) -> int:
            act = _act(info, principal, reason)
            await rename_subject(connection, info.context.state.keys, subject_id, name, act=act)
            return subject_id

        return await _done(info, "renameSubject", reason, work)

    @mutation(description="A person has died, or an enterprise is no more: never scored from now on.", to=STAFF)
    async def end_subject(self, info: Info, input: EndSubjectInput) -> EndSubjectResult:  # noqa: A002
        """Codes give the standard service; a dead person's accounts and mandates end."""
        subject_id, reason = _subject(input.subject_id), _reason(input.reason)
        successor = None if input.successor_id is None else _subject(input.successor_id)

        async def work(connection: AsyncConnection, principal: Principal) -> int:
            await succession.end(
                connection,
                info.context.state.keys,
                subject_id,
                reason="deceased" if input.end_reason is EndReason.DECEASED else "struck-off",
                on=input.ended_on,
                successor=successor,
                act=_act(info, principal, reason),
            )
            return subject_id

        return await _done(info, "endSubject", reason, work)

    @mutation(description="Take back an end that was noted by mistake.", to=REVIEWER)
    async def reinstate_subject(self, info: Info, input: ReinstateSubjectInput) -> ReinstateSubjectResult:  # noqa: A002
        """Accounts, taking part and scores are as before; mandates and consents are given anew."""
        subject_id, reason = _subject(input.subject_id), _reason(input.reason)
        state = info.context.state

        async def work(connection: AsyncConnection, principal: Principal) -> int:
            act = _act(info, principal, reason)
            await succession.reinstate(connection, state.keys, subject_id, rulebook=state.rulebook, act=act)
            return subject_id

        return await _done(info, "reinstateSubject", reason, work)

    @mutation(description="Say that two entries are one subject; somebody else confirms it.", to=STAFF)
    async def propose_merge(self, info: Info, input: ProposeMergeInput) -> ProposeMergeResult:  # noqa: A002
        """Nothing changes yet."""
        keep, drop, reason = _subject(input.keep_id), _subject(input.drop_id), _reason(input.reason)

        async def work(connection: AsyncConnection, principal: Principal) -> int:
            act = _act(info, principal, reason)
            await propose_merge(connection, info.context.state.keys, keep=keep, drop=drop, act=act)
            return keep

        return await _done(info, "proposeMerge", reason, work, also=[drop])

    @mutation(description="Make two entries one, as somebody else proposed.", to=REVIEWER)
    async def merge_subjects(self, info: Info, input: MergeSubjectsInput) -> MergeSubjectsResult:  # noqa: A002
        """Nothing is deleted; the dropped id leads to the kept one."""
        keep, drop, reason = _subject(input.keep_id), _subject(input.drop_id), _reason(input.reason)
        state = info.context.state

        async def work(connection: AsyncConnection, principal: Principal) -> int:
            act = _act(info, principal, reason)
            await succession.merge(connection, state.keys, keep=keep, drop=drop, rulebook=state.rulebook, act=act)
            return keep

        return await _done(info, "mergeSubjects", reason, work, also=[drop])
