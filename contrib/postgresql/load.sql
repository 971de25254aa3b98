-- Copyright (c) 2026 the DEEP authors
-- SPDX-License-Identifier: ISC
--
-- load.sql - takes the lines of deeptrace --format json from standard input,
-- all of them or none; see schema.sql.

\set ON_ERROR_STOP on
\copy message (doc) FROM PSTDIN WITH (FORMAT csv, DELIMITER E'\x02', QUOTE E'\x01');
