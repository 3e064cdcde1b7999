"""What a subject asks for: objection, statement and defence, complaint, appeal, repair, and its own cases. One thing to
know: each mutation is one transaction, and asking twice finds the case that is open."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from unicodedata import category

import strawberry
from sqlalchemy import select

from api.cases import (
    CreditCase,
    CreditCaseConnection,
    CreditCaseEdge,
    RepairGuide,
    RepairWay,
    act_of,
    case_id_of,
    case_key,
    case_of,
    look_for_overdue,
    rules_of,
    writing,
)
from api.context import Context, Info
from api.errors import Problem
from api.mutations import mutation
from api.pagination import cursor_of, id_after, page_info, page_size
from api.permissions import SUBJECT, access
from api.typed import as_typed, one_line
from core.errors import BadInput, ExpectedError
from scoring.cases.decisions import withdraw_case
from scoring.cases.opening import (
    Ground,
    NamesCase,
    appeal_case,
    apply_for_repair,
    open_complaint,
    open_objection,
    open_statement,
    repair_options,
)
from scoring.cases.papers import add_paper, store_paper
from scoring.cases.tables import cases
from scoring.cases.workflow import read_case
from scoring.records import UnknownRecord

LONGEST_STATEMENT, LONGEST_TITLE, LONGEST_KEY = 2000, 200, 60
MOST_ENCODED = 900_000
"""Characters of a paper in base64: what fits the body of a request."""
_STATEMENT = f"What the subject says, in 1 to {LONGEST_STATEMENT} characters."


class FilesClosed(ExpectedError):
    """The deployment keeps no files."""

    code = "FILES_CLOSED"


@strawberry.input(description="An objection to a record, or to a result where there is no record.")
class OpenObjectionInput:
    """For `openObjection`."""

    record_id: str | None = strawberry.field(default=None, description="The record, as on a line of a score.")
    model: str | None = strawberry.field(default=None, description="The model whose result is wrong.")
    field: str | None = strawberry.field(default=None, description="Id of the record's field that is wrong.")
    ground: Ground = strawberry.field(description="Why it is wrong.")
    statement: str = strawberry.field(description=_STATEMENT)


@strawberry.input(description="Statement and defence against being listed as seriously dishonest.")
class OpenStatementInput:
    """For `openStatement`."""

    record_id: str = strawberry.field(description="The listing.")
    statement: str = strawberry.field(description=_STATEMENT)


@strawberry.input(description="A complaint, about anything.")
class OpenComplaintInput:
    """For `openComplaint`."""

    statement: str = strawberry.field(description=_STATEMENT)


@strawberry.input(description="An appeal against a decision.")
class AppealCaseInput:
    """For `appealCase`."""

    case_id: strawberry.ID = strawberry.field(description="The case that was decided.")
    statement: str = strawberry.field(description=_STATEMENT)


@strawberry.input(description="An application for a record to be repaired.")
class ApplyForRepairInput:
    """For `applyForRepair`."""

    record_id: str = strawberry.field(description="The record.")
    way: str = strawberry.field(description="One of the ways that `repairOptions` names.")
    statement: str = strawberry.field(description=_STATEMENT)


@strawberry.input(description="A paper for a case.")
class AddEvidenceInput:
    """For `addEvidence`."""

    case_id: strawberry.ID = strawberry.field(description="The case.")
    title: str = strawberry.field(description=f"The file's name, 1 to {LONGEST_TITLE} characters.")
    content: str = strawberry.field(description="PDF, PNG or JPEG in base64, at most 900,000 characters of it.")


@strawberry.input(description="A case to be taken back.")
class WithdrawCaseInput:
    """For `withdrawCase`."""

    case_id: strawberry.ID = strawberry.field(description="The case.")


OpenObjectionResult = Annotated[
    CreditCase | Problem, strawberry.union("OpenObjectionResult", description="The case, or why not.")
]
OpenStatementResult = Annotated[
    CreditCase | Problem, strawberry.union("OpenStatementResult", description="The case, or why not.")
]
OpenComplaintResult = Annotated[
    CreditCase | Problem, strawberry.union("OpenComplaintResult", description="The case, or why not.")
]
AppealCaseResult = Annotated[
    CreditCase | Problem, strawberry.union("AppealCaseResult", description="The new case, or why not.")
]
ApplyForRepairResult = Annotated[
    CreditCase | Problem, strawberry.union("ApplyForRepairResult", description="The case, or why not.")
]
AddEvidenceResult = Annotated[
    CreditCase | Problem, strawberry.union("AddEvidenceResult", description="The case with the paper, or why not.")
]
WithdrawCaseResult = Annotated[
    CreditCase | Problem, strawberry.union("WithdrawCaseResult", description="The case taken back, or why not.")
]


@strawberry.type
class CaseRequests:
    """The subject's mutations."""

    @mutation(description="Object to a record or a result. The record is marked and out of use at once.", to=SUBJECT)
    async def open_objection(self, info: Info, input: OpenObjectionInput) -> OpenObjectionResult:  # noqa: A002
        """One open objection per record and ground."""
        context, statement = info.context, statement_text(input.statement)
        async with writing(context) as (connection, principal):
            with _naming_the_case():
                row = await open_objection(
                    connection,
                    subject_id=principal.subject_id or 0,
                    record_id=_key("recordId", input.record_id),
                    model=_key("model", input.model),
                    field=_key("field", input.field),
                    ground=input.ground,
                    statement=statement,
                    rules=rules_of(context.state),
                    act=act_of(context, principal, "本人提出异议,办理期间暂停使用。"),
                )
            return await case_of(connection, row, context.state, now=context.now)

    @mutation(description="State one's case against being listed as seriously dishonest.", to=SUBJECT)
    async def open_statement(self, info: Info, input: OpenStatementInput) -> OpenStatementResult:  # noqa: A002
        """The listing is out of use until it is decided."""
        context, statement = info.context, statement_text(input.statement)
        async with writing(context) as (connection, principal):
            with _naming_the_case():
                row = await open_statement(
                    connection,
                    subject_id=principal.subject_id or 0,
                    record_id=_key("recordId", input.record_id) or "",
                    statement=statement,
                    rules=rules_of(context.state),
                    act=act_of(context, principal, "本人陈述申辩,复核期间暂停使用。"),
                )
            return await case_of(connection, row, context.state, now=context.now)

    @mutation(description="Complain about anything; it is answered in writing.", to=SUBJECT)
    async def open_complaint(self, info: Info, input: OpenComplaintInput) -> OpenComplaintResult:  # noqa: A002
        """The same words again find the complaint that is open."""
        context, statement = info.context, statement_text(input.statement)
        async with writing(context) as (connection, principal):
            with _naming_the_case():
                row = await open_complaint(
                    connection,
                    subject_id=principal.subject_id or 0,
                    statement=statement,
                    rules=rules_of(context.state),
                    act=act_of(context, principal, ""),
                )
            return await case_of(connection, row, context.state, now=context.now)

    @mutation(description="Ask for another person to decide anew, once.", to=SUBJECT)
    async def appeal_case(self, info: Info, input: AppealCaseInput) -> AppealCaseResult:  # noqa: A002
        """What was disputed is out of use again until then."""
        context, statement = info.context, statement_text(input.statement)
        async with writing(context) as (connection, principal):
            with _naming_the_case():
                row = await appeal_case(
                    connection,
                    subject_id=principal.subject_id or 0,
                    case_id=case_key(input.case_id),
                    statement=statement,
                    rules=rules_of(context.state),
                    act=act_of(context, principal, "本人申请复核,办理期间暂停使用。"),
                )
            return await case_of(connection, row, context.state, now=context.now)

    @mutation(description="Ask for a record's effect and publication to end, in one of the place's ways.", to=SUBJECT)
    async def apply_for_repair(self, info: Info, input: ApplyForRepairInput) -> ApplyForRepairResult:  # noqa: A002
        """The record counts until it is granted."""
        context, statement = info.context, statement_text(input.statement)
        async with writing(context) as (connection, principal):
            with _naming_the_case():
                row = await apply_for_repair(
                    connection,
                    subject_id=principal.subject_id or 0,
                    record_id=_key("recordId", input.record_id) or "",
                    way=_key("way", input.way) or "",
                    statement=statement,
                    rules=rules_of(context.state),
                    act=act_of(context, principal, "本人申请信用修复。"),
                )
            return await case_of(connection, row, context.state, now=context.now)

    @mutation(description="Hand in a paper for an open case.", to=SUBJECT)
    async def add_evidence(self, info: Info, input: AddEvidenceInput) -> AddEvidenceResult:  # noqa: A002
        """Checked by its content; what runs is refused."""
        context, case_id = info.context, case_key(input.case_id)
        files = context.state.files
        if files is None:
            raise FilesClosed("本平台没有开通材料上传。请到窗口提交材料,或联系运营人员。")
        title, content = _text("title", one_line(input.title), LONGEST_TITLE), _decoded(input.content)
        async with context.state.database.reading() as connection:
            principal = await context.principal(connection)
            await read_case(connection, case_id, subject_id=principal.subject_id or 0)
        stored = await store_paper(files, title=title, content=content)
        async with writing(context) as (connection, principal):
            row = await add_paper(
                connection,
                subject_id=principal.subject_id or 0,
                case_id=case_id,
                title=title,
                stored=stored,
                act=act_of(context, principal, "本人提交材料。"),
            )
            return await case_of(connection, row, context.state, now=context.now)

    @mutation(description="Take a case back; the record is used again.", to=SUBJECT)
    async def withdraw_case(self, info: Info, input: WithdrawCaseInput) -> WithdrawCaseResult:  # noqa: A002
        """Only while it is open."""
        context = info.context
        async with writing(context) as (connection, principal):
            row = await withdraw_case(
                connection,
                subject_id=principal.subject_id or 0,
                case_id=case_key(input.case_id),
                act=act_of(context, principal, "本人撤回。"),
            )
            return await case_of(connection, row, context.state, now=context.now)


RecordKey = Annotated[str, strawberry.argument(description="The record, as on a line of a score.")]


@strawberry.type
class CaseRequestQueries:
    """The subject's own queries."""

    @strawberry.field(
        description="How one of one's own records can be repaired; null where there is no such record.",
        directives=access(SUBJECT),
    )
    async def repair_options(self, info: Info, record_id: RecordKey) -> RepairGuide | None:
        """Told before anything is asked for."""
        context = info.context
        async with context.state.database.reading() as connection:
            principal = await context.principal(connection)
            try:
                found = await repair_options(
                    connection,
                    subject_id=principal.subject_id or 0,
                    record_id=record_id,
                    rules=rules_of(context.state),
                    act=act_of(context, principal, ""),
                )
            except UnknownRecord:
                return None
        return RepairGuide(
            ways=[RepairWay(id=way.id, label=way.label, evidence=list(way.evidence)) for way in found.ways],
            earliest_on=found.earliest_on,
            least_months=found.least_months,
            why_not=found.why_not,
            after=found.after,
        )


async def cases_of(context: Context, subject_id: int, first: int | None, after: str | None) -> CreditCaseConnection:
    """A page of a subject's cases, newest first; what has run out is noted before they are shown."""
    state, size, last = context.state, page_size(first), id_after(after)
    wanted = select(cases).where(cases.c.subject_id == subject_id).order_by(cases.c.id.desc()).limit(size + 1)
    if last is not None:
        wanted = wanted.where(cases.c.id < last)
    await look_for_overdue(state, now=context.now, subject_id=subject_id)
    async with state.database.reading() as connection:
        rows = (await connection.execute(wanted)).all()
        edges = [
            CreditCaseEdge(cursor=cursor_of(row.id), node=await case_of(connection, row, state, now=context.now))
            for row in rows[:size]
        ]
    info = page_info([edge.cursor for edge in edges], more=len(rows) > size, after=after)
    return CreditCaseConnection(edges=edges, page_info=info)


def statement_text(given: str) -> str:
    """What somebody says in free words; it may have lines.

    Raises:
        BadInput: nothing, too much, or signs that are no text.
    """
    text = as_typed(given)
    if not 1 <= len(text) <= LONGEST_STATEMENT or any(
        category(sign) in ("Cc", "Cs") for sign in text.replace("\n", "")
    ):
        raise BadInput(f"statement 须为 1 到 {LONGEST_STATEMENT} 个可见字符,可以换行。请改正后重试。")
    return text


def _text(name: str, given: str, longest: int) -> str:
    if not 1 <= len(given) <= longest or not given.isprintable():
        raise BadInput(f"{name} 须为 1 到 {longest} 个可见字符。请改正后重试。")
    return given


def _key(name: str, given: str | None) -> str | None:
    return None if given is None else _text(name, given, LONGEST_KEY)


def _decoded(content: str) -> bytes:
    if len(content) > MOST_ENCODED:
        raise BadInput(f"content 超过 {MOST_ENCODED} 个字符。请压缩文件,或分成几个文件上传。")
    try:
        return b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        raise BadInput("content 不是有效的 base64。请对文件的全部内容作标准 base64 编码。") from None


@contextmanager
def _naming_the_case() -> Iterator[None]:
    """Let a refusal that points to another case give the id that clients know it by."""
    try:
        yield
    except NamesCase as error:
        error.message = f"{error.message}事项编号:{case_id_of(error.case_id)}。"
        raise
