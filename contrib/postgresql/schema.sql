-- Copyright (c) 2026 the DEEP authors
-- SPDX-License-Identifier: ISC
--
-- schema.sql - a place in PostgreSQL (12 or later) for what deeptrace(1) writes
-- with --format json: a table of the objects as they are, and two views that
-- show them as rows.  Loaded by
--
--	deeptrace -f json archive.mbox | psql -d mail -f contrib/postgresql/load.sql
--
-- where load.sql copies the lines from standard input.  A line is JSON without
-- control characters, so the two that COPY is told to take as quote and
-- delimiter never stand in it, and no octet of it needs another escape.

CREATE TABLE IF NOT EXISTS message (
	id	bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	doc	jsonb NOT NULL CHECK (doc ? 'hops' AND doc ? 'path')
);
CREATE INDEX IF NOT EXISTS message_verdict ON message ((doc #>> '{path,verdict}'));
CREATE INDEX IF NOT EXISTS message_message_id ON message ((doc ->> 'message_id'));

-- One row a message, with the date of its newest hop.
CREATE OR REPLACE VIEW trace AS
SELECT m.id,
	m.doc #>> '{source,file}' AS file,
	(m.doc #>> '{source,offset}')::bigint AS "offset",
	m.doc ->> 'kind' AS kind,
	m.doc ->> 'message_id' AS message_id,
	m.doc #>> '{dsn,reporting_mta}' AS reporting_mta,
	m.doc #>> '{path,verdict}' AS verdict,
	(m.doc #>> '{path,complete}')::boolean AS complete,
	m.doc #> '{path,why}' AS why,
	jsonb_array_length(m.doc -> 'hops') AS hops,
	(m.doc #>> ARRAY['hops', (jsonb_array_length(m.doc -> 'hops') - 1)::text, 'date'])::timestamptz
		AS "date"
FROM message AS m;

-- One row a hop, origin first.
CREATE OR REPLACE VIEW hop AS
SELECT m.id, h.n, h."from", h.from_ip, h.by, h."with", h.date::timestamptz AS "date",
	h.delay_s, h.verdict, h.evidence, h.dialect,
	h.tls ->> 'version' AS version,
	h.tls ->> 'suite' AS suite,
	(h.tls ->> 'bits')::integer AS bits,
	h.tls ->> 'group' AS "group",
	(h.tls ->> 'pfs')::boolean AS pfs,
	h.flags,
	-- the last two labels: good enough to group by, no Public Suffix List
	lower(substring(h."from" FROM '([^.]+\.[^.]*[^.0-9\]][^.]*)$')) AS from_domain,
	lower(substring(h.by FROM '([^.]+\.[^.]*[^.0-9\]][^.]*)$')) AS by_domain
FROM message AS m,
	jsonb_to_recordset(m.doc -> 'hops') AS h(n integer, "from" text, from_ip text, by text,
		"with" text, date text, delay_s bigint, verdict text, evidence text, dialect text,
		tls jsonb, flags jsonb);
