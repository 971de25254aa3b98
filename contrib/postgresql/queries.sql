-- Copyright (c) 2026 the DEEP authors
-- SPDX-License-Identifier: ISC
--
-- queries.sql - five questions that auditors ask, on the views of schema.sql.
-- Each is a view of its own: SELECT * FROM audit_clear_pairs LIMIT 20;

-- 1. How much mail went how well, by month?  (For the board.)
CREATE OR REPLACE VIEW audit_by_month AS
SELECT to_char(date AT TIME ZONE 'UTC', 'YYYY-MM') AS month,
	count(*) AS messages,
	count(*) FILTER (WHERE verdict IN ('strong', 'local')) AS good,
	count(*) FILTER (WHERE verdict = 'tls') AS tls,
	count(*) FILTER (WHERE verdict = 'unknown') AS unknown,
	count(*) FILTER (WHERE verdict = 'weak') AS weak,
	count(*) FILTER (WHERE verdict = 'clear') AS clear,
	count(*) FILTER (WHERE NOT complete) AS incomplete
FROM trace
GROUP BY 1
ORDER BY 1;

-- 2. Between which organisations did mail go without TLS, how often, and when last?
CREATE OR REPLACE VIEW audit_clear_pairs AS
SELECT from_domain, by_domain, count(*) AS hops, count(DISTINCT id) AS messages,
	min(date) AS first, max(date) AS last
FROM hop
WHERE verdict = 'clear'
GROUP BY from_domain, by_domain
ORDER BY hops DESC, from_domain, by_domain;

-- 3. Which hosts still take what RFC 8996 and RFC 9325 forbid?
CREATE OR REPLACE VIEW audit_old_tls AS
SELECT by, version, suite, bits, count(*) AS hops, max(date) AS last
FROM hop
WHERE verdict = 'weak' OR flags ? 'obsolete'
GROUP BY by, version, suite, bits
ORDER BY hops DESC, by, version, suite;

-- 4. For which recipients does no report show the whole way, and why not?
CREATE OR REPLACE VIEW audit_blind_recipients AS
SELECT r.value ->> 'final' AS recipient, w.value AS why, count(*) AS reports
FROM message AS m, jsonb_array_elements(m.doc #> '{dsn,recipients}') AS r,
	jsonb_array_elements_text(m.doc #> '{path,why}') AS w
WHERE jsonb_typeof(m.doc -> 'dsn') = 'object'
GROUP BY 1, 2
ORDER BY reports DESC, 1, 2;

-- 5. Which pairs of hosts were strong once and have been worse since?
CREATE OR REPLACE VIEW audit_downgrades AS
SELECT "from", by, max(date) FILTER (WHERE verdict = 'strong') AS last_strong,
	max(date) FILTER (WHERE verdict IN ('clear', 'weak')) AS last_worse,
	count(*) FILTER (WHERE verdict IN ('clear', 'weak')) AS worse
FROM hop
WHERE "from" IS NOT NULL AND by IS NOT NULL
GROUP BY "from", by
HAVING max(date) FILTER (WHERE verdict IN ('clear', 'weak')) >
	min(date) FILTER (WHERE verdict = 'strong')
ORDER BY worse DESC, "from", by;
