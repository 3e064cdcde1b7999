// Made by `make documents` from operations/*.graphql.
/** An operation that the server knows by its id, with the types of its answer and its variables. */
export interface Document<Answer, Variables> {
  readonly id: string;
  readonly of?: (variables: Variables) => Answer;
}

/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
/** Yes or no to a request: the same act, the same path. */
export type AnswerConsentInput = {
  /** Yes or no. Nothing is lost by a no. */
  readonly accept: boolean;
  /** The request. */
  readonly consentId: string | number;
  /** With a yes in writing: its words. */
  readonly statement?: string | null | undefined;
};

/** What a case is. */
export type CaseKind =
  /** Another person decides anew. */
  | 'APPEAL'
  /** About anything. */
  | 'COMPLAINT'
  /** Disputes a record or a result. */
  | 'OBJECTION'
  /** Accepts the record, and asks for its effect to end. */
  | 'REPAIR'
  /** Statement and defence against being listed as seriously dishonest. */
  | 'STATEMENT';

/** How a case was decided. */
export type CaseOutcome =
  /** Repaired. */
  | 'GRANTED'
  /** The subject was right in part. */
  | 'PARTLY'
  /** Not repaired; the reason is given. */
  | 'REFUSED'
  /** The subject was not right; the reason is given. */
  | 'REJECTED'
  /** The subject was right. */
  | 'UPHELD'
  /** Taken back by the subject. */
  | 'WITHDRAWN';

/** Where a case stands. */
export type CaseState =
  /** Decided. */
  | 'DECIDED'
  /** Another body was asked to check. */
  | 'HELP'
  /** Being handled. */
  | 'OPEN'
  /** An examination by experts has stopped the clock. */
  | 'PAUSED'
  /** Taken back by the subject. */
  | 'WITHDRAWN';

/** How often a consent may be used. */
export type ConsentFrequency =
  /** Used up by its first use. */
  | 'ONCE'
  /** Each time, until it ends. */
  | 'PER_USE';

/** Where a consent stands. */
export type ConsentState =
  /** Given, and holds. */
  | 'ACTIVE'
  /** Its day has come, or it was used up. */
  | 'EXPIRED'
  /** Held back by its subject, until resumed. */
  | 'PAUSED'
  /** Never given; nothing follows from it. */
  | 'REFUSED'
  /** Asked for; nothing may be done yet. */
  | 'REQUESTED'
  /** Taken back for good. */
  | 'REVOKED';

/** Informed consent to being evaluated. */
export type EnrollInput = {
  /** Version of the notice that was shown. */
  readonly noticeVersion: string;
};

/** A consent that its subject gives of its own accord. */
export type GiveConsentInput = {
  /** First day on which it holds no more; at most a year off. */
  readonly endsOn: string;
  /** How often it may be used. */
  readonly frequency: ConsentFrequency;
  /** For one offer; left out: for all. */
  readonly offerId?: string | number | null | undefined;
  /** To which partner, if to one. */
  readonly partnerId?: string | number | null | undefined;
  /** Code of the purpose: one, never several. */
  readonly purpose: string;
  /** Version of the text that was shown. */
  readonly purposeVersion: string;
  /** Items of the catalogue. */
  readonly scope?: ReadonlyArray<string>;
  /** The words of a consent in writing. */
  readonly statement?: string | null | undefined;
};

/** For which offer, if the holder binds the code to one. */
export type IssueCreditCodeInput = {
  /** The one offer the code is good for. */
  readonly offerId?: string | number | null | undefined;
};

/** Why something is said to be wrong. */
export type ObjectionGround =
  /** The decision behind it was revoked or changed. */
  | 'BASIS_WITHDRAWN'
  /** Something is missing. */
  | 'INCOMPLETE'
  /** It is shown beyond its term. */
  | 'PAST_TERM'
  /** It hurts a trade secret, privacy or personal data. */
  | 'PRIVACY'
  /** It is wrong. */
  | 'WRONG';

/** An objection to a record, or to a result where there is no record. */
export type OpenObjectionInput = {
  /** Id of the record's field that is wrong. */
  readonly field?: string | null | undefined;
  /** Why it is wrong. */
  readonly ground: ObjectionGround;
  /** The model whose result is wrong. */
  readonly model?: string | null | undefined;
  /** The record, as on a line of a score. */
  readonly recordId?: string | null | undefined;
  /** What the subject says, in 1 to 2000 characters. */
  readonly statement: string;
};

/** What a partner is told. There is no third answer about a person. */
export type Outcome =
  /** The standard service and, on top of it, the benefit. */
  | 'BENEFIT_APPLIES'
  /** The standard service, as everybody gets it. */
  | 'STANDARD_SERVICE';

/** Which records to read. */
export type RecordFilter =
  /** Those that count. */
  | 'ACTIVE'
  /** Every one. */
  | 'ALL'
  /** Those past their term, repaired or withdrawn. */
  | 'ENDED'
  /** Those suspended while something about them is open. */
  | 'SUSPENDED';

/** Where a record stands. */
export type RecordState =
  /** It counts, and shows where it is public. */
  | 'ACTIVE'
  /** It neither counts nor shows any more, and is archived. */
  | 'ENDED'
  /** Neither counted nor shown while a case is open. */
  | 'SUSPENDED';

/** Which consent to take back for good. */
export type RevokeConsentInput = {
  /** The consent. */
  readonly consentId: string | number;
  /** Why, if one likes to say; at most 200 characters. */
  readonly reason?: string;
};

/** What a credit subject is. */
export type SubjectKind =
  /** A legal person or other organisation, an individual business included. */
  | 'ENTERPRISE'
  /** A natural person. */
  | 'PERSON';

/** A case to be taken back. */
export type WithdrawCaseInput = {
  /** The case. */
  readonly caseId: string | number;
};

export type AccessLogQueryVariables = Exact<{
  first?: number | null | undefined;
  after?: string | null | undefined;
}>;


export type AccessLogQuery = { readonly me: { readonly id: string, readonly accessLog: { readonly edges: ReadonlyArray<{ readonly cursor: string, readonly node: { readonly at: string, readonly reader: string | null, readonly action: string, readonly purpose: string | null, readonly outcome: Outcome | null, readonly problem: string | null, readonly receipt: string | null, readonly site: string | null, readonly partner: { readonly id: string, readonly name: string } | null, readonly offer: { readonly id: string, readonly title: string } | null, readonly whyNot: ReadonlyArray<{ readonly code: string, readonly message: string }> } }>, readonly pageInfo: { readonly endCursor: string | null, readonly hasNextPage: boolean } } } };

export type BenefitsQueryVariables = Exact<{
  first?: number | null | undefined;
  after?: string | null | undefined;
  kind?: string | null | undefined;
  available?: boolean | null | undefined;
  area?: string | null | undefined;
}>;


export type BenefitsQuery = { readonly me: { readonly id: string, readonly benefits: { readonly edges: ReadonlyArray<{ readonly cursor: string, readonly node: { readonly available: boolean, readonly nextStep: string | null, readonly whyNot: ReadonlyArray<{ readonly code: string, readonly message: string }>, readonly offer: { readonly id: string, readonly title: string, readonly standardService: string, readonly benefit: string, readonly kind: { readonly code: string, readonly name: string }, readonly partner: { readonly id: string, readonly name: string }, readonly districts: ReadonlyArray<{ readonly code: string, readonly name: string }> } } }>, readonly pageInfo: { readonly endCursor: string | null, readonly hasNextPage: boolean } } } };

export type Cases_CreditCase = { readonly id: string, readonly kind: CaseKind, readonly state: CaseState, readonly recordId: string | null, readonly model: string | null, readonly ground: string, readonly statement: string, readonly openedAt: string, readonly dueOn: string | null, readonly dueIsProvisional: boolean, readonly overdue: boolean, readonly outcome: CaseOutcome | null, readonly answer: string | null, readonly steps: ReadonlyArray<{ readonly step: number, readonly act: string, readonly state: CaseState, readonly at: string, readonly reason: string }> };

export type CasesQueryVariables = Exact<{
  first?: number | null | undefined;
  after?: string | null | undefined;
}>;


export type CasesQuery = { readonly me: { readonly id: string, readonly cases: { readonly edges: ReadonlyArray<{ readonly cursor: string, readonly node: { readonly id: string, readonly kind: CaseKind, readonly state: CaseState, readonly recordId: string | null, readonly model: string | null, readonly ground: string, readonly statement: string, readonly openedAt: string, readonly dueOn: string | null, readonly dueIsProvisional: boolean, readonly overdue: boolean, readonly outcome: CaseOutcome | null, readonly answer: string | null, readonly steps: ReadonlyArray<{ readonly step: number, readonly act: string, readonly state: CaseState, readonly at: string, readonly reason: string }> } }>, readonly pageInfo: { readonly endCursor: string | null, readonly hasNextPage: boolean } } } };

export type CasesObjectMutationVariables = Exact<{
  input: OpenObjectionInput;
}>;


export type CasesObjectMutation = { readonly openObjection:
    | { readonly __typename: 'CreditCase', readonly id: string, readonly state: CaseState, readonly dueOn: string | null }
    | { readonly __typename: 'Problem', readonly code: string, readonly message: string }
   };

export type CasesWithdrawMutationVariables = Exact<{
  input: WithdrawCaseInput;
}>;


export type CasesWithdrawMutation = { readonly withdrawCase:
    | { readonly __typename: 'CreditCase', readonly id: string, readonly state: CaseState, readonly dueOn: string | null }
    | { readonly __typename: 'Problem', readonly code: string, readonly message: string }
   };

export type CodeMutationVariables = Exact<{
  input: IssueCreditCodeInput;
}>;


export type CodeMutation = { readonly issueCreditCode:
    | { readonly __typename: 'CreditCode', readonly id: string, readonly token: string, readonly expiresAt: string }
    | { readonly __typename: 'Problem', readonly code: string, readonly message: string }
   };

export type Consents_Consent = { readonly id: string, readonly state: ConsentState, readonly recipient: string, readonly scope: ReadonlyArray<string>, readonly frequency: ConsentFrequency, readonly requestedAt: string, readonly endsOn: string, readonly usedAt: string | null, readonly receipt: string | null, readonly purpose: { readonly id: string, readonly version: string, readonly name: string, readonly what: string, readonly method: string, readonly use: string, readonly rights: string, readonly harm: string | null, readonly statement: string | null } };

export type ConsentsQueryVariables = Exact<{
  first?: number | null | undefined;
  after?: string | null | undefined;
}>;


export type ConsentsQuery = { readonly me: { readonly id: string, readonly consents: { readonly edges: ReadonlyArray<{ readonly cursor: string, readonly node: { readonly id: string, readonly state: ConsentState, readonly recipient: string, readonly scope: ReadonlyArray<string>, readonly frequency: ConsentFrequency, readonly requestedAt: string, readonly endsOn: string, readonly usedAt: string | null, readonly receipt: string | null, readonly purpose: { readonly id: string, readonly version: string, readonly name: string, readonly what: string, readonly method: string, readonly use: string, readonly rights: string, readonly harm: string | null, readonly statement: string | null } } }>, readonly pageInfo: { readonly endCursor: string | null, readonly hasNextPage: boolean } } } };

export type ConsentsGiveMutationVariables = Exact<{
  input: GiveConsentInput;
}>;


export type ConsentsGiveMutation = { readonly giveConsent:
    | { readonly __typename: 'Consent', readonly id: string, readonly state: ConsentState, readonly endsOn: string, readonly receipt: string | null }
    | { readonly __typename: 'Problem', readonly code: string, readonly message: string }
   };

export type ConsentsAnswerMutationVariables = Exact<{
  input: AnswerConsentInput;
}>;


export type ConsentsAnswerMutation = { readonly answerConsent:
    | { readonly __typename: 'Consent', readonly id: string, readonly state: ConsentState, readonly endsOn: string, readonly receipt: string | null }
    | { readonly __typename: 'Problem', readonly code: string, readonly message: string }
   };

export type ConsentsRevokeMutationVariables = Exact<{
  input: RevokeConsentInput;
}>;


export type ConsentsRevokeMutation = { readonly revokeConsent:
    | { readonly __typename: 'Consent', readonly id: string, readonly state: ConsentState, readonly endsOn: string, readonly receipt: string | null }
    | { readonly __typename: 'Problem', readonly code: string, readonly message: string }
   };

export type EnrollNoticeQueryVariables = Exact<{ [key: string]: never; }>;


export type EnrollNoticeQuery = { readonly enrollmentNotice: { readonly version: string, readonly text: string } };

export type EnrollMutationVariables = Exact<{
  input: EnrollInput;
}>;


export type EnrollMutation = { readonly enroll:
    | { readonly __typename: 'Enrollment', readonly enrolledAt: string }
    | { readonly __typename: 'Problem', readonly code: string, readonly message: string }
   };

export type LiveScanSubscriptionVariables = Exact<{ [key: string]: never; }>;


export type LiveScanSubscription = { readonly codeScanned: { readonly at: string, readonly outcome: Outcome | null, readonly problem: string | null, readonly receipt: string | null, readonly site: string | null, readonly partner: { readonly id: string, readonly name: string } | null, readonly offer: { readonly id: string, readonly title: string } | null, readonly whyNot: ReadonlyArray<{ readonly code: string, readonly message: string }> } };

export type LiveCasesSubscriptionVariables = Exact<{ [key: string]: never; }>;


export type LiveCasesSubscription = { readonly caseMoved: { readonly id: string, readonly kind: CaseKind, readonly state: CaseState, readonly recordId: string | null, readonly model: string | null, readonly ground: string, readonly statement: string, readonly openedAt: string, readonly dueOn: string | null, readonly dueIsProvisional: boolean, readonly overdue: boolean, readonly outcome: CaseOutcome | null, readonly answer: string | null, readonly steps: ReadonlyArray<{ readonly step: number, readonly act: string, readonly state: CaseState, readonly at: string, readonly reason: string }> } };

export type LiveBenefitsSubscriptionVariables = Exact<{ [key: string]: never; }>;


export type LiveBenefitsSubscription = { readonly benefitsChanged: { readonly id: string, readonly enrolled: boolean } };

export type RecordsQueryVariables = Exact<{
  first?: number | null | undefined;
  after?: string | null | undefined;
  state: RecordFilter;
}>;


export type RecordsQuery = { readonly me: { readonly id: string, readonly records: { readonly edges: ReadonlyArray<{ readonly cursor: string, readonly node: { readonly id: string, readonly label: string, readonly nature: string | null, readonly documentNumber: string | null, readonly authority: string | null, readonly decidedOn: string, readonly state: RecordState, readonly publishedUntil: string | null, readonly countsUntil: string | null, readonly provider: string | null, readonly receivedAt: string | null } }>, readonly pageInfo: { readonly endCursor: string | null, readonly hasNextPage: boolean } } } };

export type ScoreQueryVariables = Exact<{ [key: string]: never; }>;


export type ScoreQuery = { readonly me: { readonly id: string, readonly kind: SubjectKind, readonly displayName: string, readonly enrolled: boolean, readonly scores: ReadonlyArray<{ readonly points: string | null, readonly headlines: ReadonlyArray<string>, readonly evaluatedAt: string, readonly model: { readonly id: string, readonly name: string }, readonly grade: { readonly code: string, readonly name: string } | null, readonly lines: ReadonlyArray<{ readonly label: string, readonly points: string, readonly basis: string }> }> } };

export const documents = {
  CasesQuery: { id: "sha256:f9d86e1c07aeb71623809ca29e0b7f6ca7c344a49d1c6403cbbbfced3634ea4c" } as Document<CasesQuery, CasesQueryVariables>,
  LiveCasesSubscription: { id: "sha256:9ba913790f1ea1a3508960b29fed0a182059e5c2627f5c66556be8e1849e988b" } as Document<LiveCasesSubscription, LiveCasesSubscriptionVariables>,
  ConsentsQuery: { id: "sha256:4bb870ece38525ea601e2d63f5e67dcd4dece00dbc2ea63daf7edea719d2ea3c" } as Document<ConsentsQuery, ConsentsQueryVariables>,
  CasesObjectMutation: { id: "sha256:46480edf20b3bf1a68420d24d351d5f73a947ea64eae74968cce8f39a4c56de2" } as Document<CasesObjectMutation, CasesObjectMutationVariables>,
  CasesWithdrawMutation: { id: "sha256:5a7a1fbd09b0100831cb905b49fa4794c3e407837519794636805bae40d2dfe5" } as Document<CasesWithdrawMutation, CasesWithdrawMutationVariables>,
  CodeMutation: { id: "sha256:8ba0d9005807b87eb5081c9f00866b6235174f152f23d281f008edf6c7126157" } as Document<CodeMutation, CodeMutationVariables>,
  ConsentsAnswerMutation: { id: "sha256:8ccaa5f7f9bb577c5cd377d8f287c748505e25a4feda02732246eaeea414dba8" } as Document<ConsentsAnswerMutation, ConsentsAnswerMutationVariables>,
  ConsentsGiveMutation: { id: "sha256:7382f12610b2fe3608324d2f2da84b23642c1252f7a07db52384a5204a8bd16d" } as Document<ConsentsGiveMutation, ConsentsGiveMutationVariables>,
  ConsentsRevokeMutation: { id: "sha256:87a7acdcc3488d2d4ac92ee58a702ed5221567a7305538c8e9f6dd72bf22b58b" } as Document<ConsentsRevokeMutation, ConsentsRevokeMutationVariables>,
  EnrollMutation: { id: "sha256:3d307959e2e31f5c2b1c838ec44ca118207a6b08349f5c2337edb80a39b81f3f" } as Document<EnrollMutation, EnrollMutationVariables>,
  AccessLogQuery: { id: "sha256:fd332996ee02d38998cd237ecdff1021f4402f855b448e9319ff5309840e2784" } as Document<AccessLogQuery, AccessLogQueryVariables>,
  BenefitsQuery: { id: "sha256:292fa6344ed421bbc57a00c040ca53a580ead6a640496543b045e5cb9eee96ff" } as Document<BenefitsQuery, BenefitsQueryVariables>,
  EnrollNoticeQuery: { id: "sha256:da4a85325b6ab20742910330b15eeabe35a437b012c8214a3a7ab0181785d358" } as Document<EnrollNoticeQuery, EnrollNoticeQueryVariables>,
  RecordsQuery: { id: "sha256:dcbfd38c7fdd8e4961984ec726958bd97130566b3c5b9cb10678eba78d718bfa" } as Document<RecordsQuery, RecordsQueryVariables>,
  ScoreQuery: { id: "sha256:083a4859225494d153a90b71f5679f3e89904b1621d7ac9dd2a060956a78c4a1" } as Document<ScoreQuery, ScoreQueryVariables>,
  LiveBenefitsSubscription: { id: "sha256:def619acf46c7b28afb886e4c4073ebef936edf4a0a8e0fdd9d58a70732c940b" } as Document<LiveBenefitsSubscription, LiveBenefitsSubscriptionVariables>,
  LiveScanSubscription: { id: "sha256:ce7f324a6bfda45ff2339af34276d4b8dde3a2411100506f40f4892f7b13ede9" } as Document<LiveScanSubscription, LiveScanSubscriptionVariables>,
};
