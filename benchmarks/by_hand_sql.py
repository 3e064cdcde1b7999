"""The hand-written handler's SQL. One thing to know: a verification is one SELECT and one statement that writes all its
rows, which commits by itself."""

READ_SCAN = """
SELECT a.role, a.partner_id, a.ended_at, c.version, w.body_hash, w.answer, w.at AS answered_at, v.at AS used_at,
       s.kind, s.place, s.birth_on, e.enrolled_at, m.model_checksum, m.grade, m.evaluated_on, m.valid_until
FROM accounts a
JOIN catalogue_state c ON c.id = 1
LEFT JOIN answers w ON w.partner_id = a.partner_id AND w.mutation = 'verifyCreditCode' AND w.request_id = $2
LEFT JOIN verifications v ON v.subject_id = $3 AND v.code_id = $4
LEFT JOIN subjects s ON s.id = $3
LEFT JOIN enrollments e ON e.subject_id = $3 AND e.left_at IS NULL
LEFT JOIN scores m ON m.subject_id = $3 AND m.model = $5
WHERE a.id = $1
"""
INTO_ACCESS_EVENTS = """
INSERT INTO access_events
    (subject_id, id, at, partner_id, offer_id, outcome, problem, why_not, receipt, clerk, site)
"""
INTO_AUDIT = "INSERT INTO audit_entries (subject_id, id, at, actor, action, content, nonce, leaf, chain, step, link)"
INTO_ANSWERS = "INSERT INTO answers (partner_id, mutation, request_id, body_hash, answer, at)"
WRITE_DECISION = f"""
WITH decided AS (
    INSERT INTO verifications
        (subject_id, id, code_id, partner_id, offer_id, offer_version, outcome, at, expires_at, reserved)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, false)
), seen AS (
    {INTO_ACCESS_EVENTS} VALUES ($1, $10, $8, $4, $5, $7, NULL, $11, $12, $13, $14)
), entry AS (
    {INTO_AUDIT} VALUES ($1, $15, $8, $16, 'verifyCreditCode', $17, $18, $19, $20, $21, $22)
)
{INTO_ANSWERS} VALUES ($4, 'verifyCreditCode', $23, $24, $25, $8)
"""
WRITE_REFUSAL = f"""
WITH seen AS (
    {INTO_ACCESS_EVENTS} VALUES ($1, $2, $3, $4, $5, NULL, $6, '[]', NULL, $7, $8)
), entry AS (
    {INTO_AUDIT} VALUES ($1, $9, $3, $10, 'verifyCreditCode', $11, $12, $13, $14, $15, $16)
)
{INTO_ANSWERS} SELECT $4, 'verifyCreditCode', $17, $18, $19::jsonb, $3 WHERE $20::boolean
"""
WRITE_UNATTRIBUTED = f"""
WITH noticed AS (
    INSERT INTO security_events (id, at, kind, partner_id, detail) VALUES ($1, $2, $3, $4, $5)
)
{INTO_ANSWERS} SELECT $4, 'verifyCreditCode', $6, $7, $8::jsonb, $2 WHERE $9::boolean
"""
FORGET = """
DELETE FROM answers WHERE partner_id = $1 AND mutation = 'verifyCreditCode' AND request_id = $2 AND at <= $3
"""
READ_SUBJECT = """
SELECT a.role, a.subject_id, a.ended_at, c.version, s.kind, s.place, s.birth_on, e.enrolled_at, m.model,
       m.model_checksum, m.points, m.grade, m.lines, m.evaluated_on, m.evaluated_at, m.valid_until
FROM accounts a
JOIN catalogue_state c ON c.id = 1
LEFT JOIN subjects s ON s.id = a.subject_id
LEFT JOIN enrollments e ON e.subject_id = a.subject_id AND e.left_at IS NULL
LEFT JOIN scores m ON m.subject_id = a.subject_id
WHERE a.id = $1
"""
READ_LIMITS = """
SELECT v.offer_id, count(*) AS used, false AS gone
FROM verifications v
LEFT JOIN redemptions r ON r.subject_id = v.subject_id AND r.verification_id = v.id
WHERE v.subject_id = $1 AND v.offer_id = ANY($2) AND v.outcome = 'BENEFIT_APPLIES'
  AND CASE WHEN r.id IS NULL THEN v.expires_at > $4 ELSE r.reversed_at IS NULL END
GROUP BY v.offer_id
UNION ALL
SELECT q.offer_id, 0, true
FROM quotas q
WHERE q.bucket = 'ever' AND q.offer_id = ANY($3) AND q.taken >= q.cap AND q.cap <= q.taken - (
    SELECT count(*) FROM verifications v WHERE v.offer_id = q.offer_id AND v.reserved AND v.expires_at <= $4)
"""
