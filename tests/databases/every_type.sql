-- A table for every family of types, with the values that text formats stumble over.
CREATE TYPE mood AS ENUM ('sad', 'it''s, "fine"', 'happy');
CREATE TYPE pair AS (a integer, "b (x" text, c numeric(8,2)[]);
CREATE DOMAIN posint AS integer CONSTRAINT positive CHECK (VALUE > 0);
CREATE DOMAIN moment AS timestamp(3) with time zone;
CREATE DOMAIN words AS text[] COLLATE "C";
CREATE TYPE span AS RANGE (subtype = text, collation = "C", multirange_type_name = spans);
CREATE TYPE instants AS RANGE (subtype = timestamptz);
CREATE TABLE parent (p1 integer, p2 timestamptz);
CREATE TABLE of_type OF pair;
CREATE TABLE numbers (a smallint, b integer, c bigint, d numeric, e numeric(20,5), f real, g double precision, h oid, i boolean, j posint);
INSERT INTO numbers SELECT i, i * 1000, i::bigint << 33, i / 7.0, i / 7.0, (i / 7.0)::real, i / 7.0, i, i % 2 = 0, i FROM generate_series(1, 500) i;
INSERT INTO numbers (d, f, g) VALUES ('NaN', 'NaN', 'NaN'), ('Infinity', 'Infinity', '-Infinity'), (NULL, '-0', '1e-307'), (0.1, 1e15, 1e15);
CREATE TABLE texts (a text, b varchar(20), c char(9), d name, e words, f mood, g mood[], "h, (i" text);
INSERT INTO texts SELECT E'tab\t line\n back\\slash \\. \r\v\b ' || i || 'äß😀', 'v' || i, 'c', 'n', ARRAY['a,b', NULL, '"', E'\\', ''], 'happy',
    ARRAY['sad', NULL]::mood[], repeat('x', i * 37) FROM generate_series(1, 300) i;
INSERT INTO texts VALUES (''), (NULL), ('\N'), ('\.');
CREATE TABLE times (a date, b time, c timetz, d timestamp, e timestamptz, f interval, g moment, h timestamptz[], i tstzrange, j instants, k tsrange,
    l tstzmultirange, m interval day to second(3), n timestamp(0) with time zone);
INSERT INTO times SELECT '2026-01-01'::date + i, '12:00:00.5', '12:00+03', t, t, i * interval '1 day 3 hours', t, ARRAY[t, NULL, t + interval '1 year'],
    tstzrange(t, t + interval '1 hour'), instants(t, NULL), tsrange(t::timestamp, NULL), tstzmultirange(tstzrange(t, t + interval '1 hour')),
    '3 days 04:05:06.7', t FROM generate_series(1, 400) i, LATERAL (SELECT timestamptz '2026-01-01 00:00+00' + i * interval '17:13:11.123') AS x (t);
INSERT INTO times (a, d, e, f) VALUES ('infinity', '-infinity', 'infinity', '-1 mon +2 days'), ('0044-03-15 BC', '0044-03-15 BC', '0044-03-15 BC', NULL),
    ('12000-01-01', '12000-01-01', '12000-01-01', '0'), (NULL, NULL, '1850-01-01', NULL), (NULL, NULL, '0001-01-01 00:00+00', NULL);
CREATE TABLE binaries (a bytea, b bit(5), c bit varying(9), d uuid);
INSERT INTO binaries SELECT decode(md5(i::text), 'hex'), B'10101', B'1', md5(i::text)::uuid FROM generate_series(1, 300) i;
INSERT INTO binaries (a) VALUES (''), (NULL), ('\x5c78'), ('\x'), ('\x00ff0a095c'), ('abc');
CREATE TABLE nets (a inet, b cidr, c macaddr, d macaddr8);
INSERT INTO nets VALUES ('10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05'), ('::1', '::/0', NULL, NULL);
CREATE TABLE shapes (a point, b lseg, c box, d path, e polygon, f circle, g line);
INSERT INTO shapes VALUES ('(0.1,1e300)', '((0,0),(1,1))', '((0,0),(1,1))', '[(0,0),(1,1)]', '((0,0),(1,1),(1,0))', '<(0,0),0.3>', '{1,2,3}');
CREATE TABLE documents (a json, b jsonb, c tsvector, d tsquery, e pair, f pair[], g int4range, h nummultirange, i span, j spans, k words[]);
INSERT INTO documents VALUES ('{"a" : 1e400, "b":[null]}', '{"a" : 1.50, "ä": [null, "\u0041\t"]}', to_tsvector('english', 'the fat cats'), 'fat & cat:*',
    ROW(1, E'x"\n,\\', ARRAY[1.5, NULL]), ARRAY[ROW(NULL, NULL, NULL)::pair], '[1,5)', '{[1,2),[3,4]}', '[a,b]', '{[a,b],[c,d]}', NULL);
CREATE TABLE child (c1 text) INHERITS (parent);
INSERT INTO child VALUES (1, now(), 'x'), (2, NULL, NULL);
INSERT INTO parent VALUES (3, now());
INSERT INTO of_type VALUES (1, 'x', NULL);
CREATE TABLE made (a integer, b integer GENERATED ALWAYS AS (a * 2) STORED, c text);
INSERT INTO made (a, c) SELECT i, i FROM generate_series(1, 100) i;
CREATE TABLE columnless ();
INSERT INTO columnless DEFAULT VALUES;
INSERT INTO columnless DEFAULT VALUES;
CREATE TABLE parts (a integer, b text) PARTITION BY LIST (a);
CREATE TABLE parts1 PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE parts2 (b text, a integer);
ALTER TABLE parts ATTACH PARTITION parts2 FOR VALUES IN (2);
INSERT INTO parts SELECT 1 + i % 2, i FROM generate_series(1, 100) i;
CREATE TABLE hidden (a integer);
INSERT INTO hidden VALUES (1), (2);
ALTER TABLE hidden ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE TABLE "we ird""s" ("c,)""a" int, "b (" text);
INSERT INTO "we ird""s" VALUES (1, NULL), (2, ''), (3, '\.');
SELECT lo_from_bytea(16001, convert_to(repeat('picture', 400000), 'UTF8'));
SELECT lo_from_bytea(16002, '');
SELECT lo_from_bytea(3000000001, decode('00ff0d0a', 'hex'));
