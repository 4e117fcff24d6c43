-- A web shop that uses every kind of object that PostgreSQL lets somebody create without being superuser.
-- The demonstration restores it and the tests compare it object by object. Loads in a few seconds as an RDS-like master user:
--     psql -d shop -c "SET sample.rows = 300000" -f examples/sample_database.sql
-- `sample.rows` is the number of order lines; without it 300,000.

SET client_min_messages = warning;

-- Roles belong to the server, not to a dump: they are made once and shared by every copy of this database.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'shop_clerk') THEN CREATE ROLE shop_clerk; END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'Shop Auditor é') THEN CREATE ROLE "Shop Auditor é"; END IF;
END $$;
GRANT shop_clerk TO CURRENT_USER;

CREATE SCHEMA shop;
CREATE SCHEMA "Straße & Co";
CREATE SCHEMA archive AUTHORIZATION shop_clerk;
CREATE SCHEMA extensions;
COMMENT ON SCHEMA shop IS 'What the customers see; it''s "live"';

CREATE EXTENSION hstore WITH SCHEMA extensions;
CREATE EXTENSION pg_trgm WITH SCHEMA extensions;
CREATE EXTENSION citext WITH SCHEMA public;
CREATE EXTENSION btree_gist WITH SCHEMA extensions;
COMMENT ON EXTENSION hstore IS 'attributes of articles';

-- Types: enumeration, domain with a check, composite, range (and its multirange), collation.
CREATE TYPE shop.order_state AS ENUM ('new', 'paid', 'shipped', 'returned; "sadly"');
CREATE DOMAIN shop.sku AS text CONSTRAINT sku_shape CHECK (VALUE ~ '^[A-Z]{2}-[0-9]+$');
COMMENT ON DOMAIN shop.sku IS 'two letters, a dash, digits';
CREATE TYPE shop.money_amount AS (amount numeric(12, 2), currency char(3));
CREATE TYPE shop.price_range AS RANGE (subtype = numeric, multirange_type_name = shop.price_ranges);
CREATE COLLATION shop.plain (provider = libc, locale = 'C');

-- Functions of every sort.
CREATE FUNCTION shop.gross(net numeric, rate numeric DEFAULT 0.19) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN round(net * (1 + rate), 2);
CREATE FUNCTION shop.add_amounts(a shop.money_amount, b shop.money_amount) RETURNS shop.money_amount
    LANGUAGE sql IMMUTABLE AS $$ SELECT ROW((a).amount + (b).amount, (a).currency)::shop.money_amount $$;
CREATE OPERATOR shop.+ (LEFTARG = shop.money_amount, RIGHTARG = shop.money_amount, FUNCTION = shop.add_amounts, COMMUTATOR = OPERATOR(shop.+));
CREATE AGGREGATE shop.total(shop.money_amount) (SFUNC = shop.add_amounts, STYPE = shop.money_amount);
CREATE FUNCTION shop.amount_text(a shop.money_amount) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT (a).amount || ' ' || (a).currency $$;
CREATE CAST (shop.money_amount AS text) WITH FUNCTION shop.amount_text(shop.money_amount) AS ASSIGNMENT;
CREATE FUNCTION "Straße & Co"."Größe; DROP"("Maß" integer, VARIADIC rest text[]) RETURNS TABLE (n integer, t text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $body$
BEGIN
    RETURN QUERY SELECT "Maß" + i::integer, rest[i] FROM generate_subscripts(rest, 1) AS i;
END $body$;
COMMENT ON FUNCTION "Straße & Co"."Größe; DROP"(integer, text[]) IS 'awkward on purpose';
CREATE TEXT SEARCH DICTIONARY shop.short_words (TEMPLATE = simple, STOPWORDS = english);
CREATE TEXT SEARCH CONFIGURATION shop.articles (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION shop.articles ALTER MAPPING FOR asciiword WITH shop.short_words;
CREATE CONVERSION shop.from_latin1 FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;

-- Tables: identity, serial, generated column, check, exclusion, unique, inheritance, partitions by range, list and hash.
CREATE SEQUENCE shop.invoice_number AS bigint START 1000 INCREMENT 7 MINVALUE 10 MAXVALUE 99999999 CACHE 5 CYCLE;
CREATE TABLE shop.customers (
    id bigint GENERATED ALWAYS AS IDENTITY (START 500 INCREMENT 3) PRIMARY KEY,
    email public.citext NOT NULL UNIQUE,
    name text COLLATE shop.plain NOT NULL,
    attributes extensions.hstore,
    joined timestamptz NOT NULL DEFAULT '2026-01-01 00:00:00+00',
    CONSTRAINT name_not_empty CHECK (name <> '')
);
CREATE TABLE shop.articles (
    sku shop.sku PRIMARY KEY,
    title text NOT NULL,
    net numeric(10, 2) NOT NULL CHECK (net >= 0),
    gross numeric GENERATED ALWAYS AS (shop.gross(net)) STORED,
    details jsonb NOT NULL DEFAULT '{}',
    list_price shop.money_amount,
    search tsvector
);
CREATE TABLE shop.orders (
    id bigserial PRIMARY KEY,
    customer_id bigint NOT NULL,
    state shop.order_state NOT NULL DEFAULT 'new',
    ordered_on date NOT NULL,
    note text
);
CREATE TABLE shop.order_lines (
    order_id bigint NOT NULL,
    line smallint NOT NULL,
    sku shop.sku NOT NULL,
    quantity integer NOT NULL,
    net numeric(10, 2),
    remark text
);
CREATE TABLE shop.events (happened timestamptz NOT NULL, kind text NOT NULL, payload jsonb) PARTITION BY RANGE (happened);
CREATE TABLE shop.events_2025 PARTITION OF shop.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE shop.events_2026 PARTITION OF shop.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY LIST (kind);
CREATE TABLE shop.events_2026_click PARTITION OF shop.events_2026 FOR VALUES IN ('click');
CREATE TABLE shop.events_2026_rest PARTITION OF shop.events_2026 DEFAULT;
CREATE TABLE shop.sessions (id uuid NOT NULL, customer_id bigint, data bytea, PRIMARY KEY (id)) PARTITION BY HASH (id);
CREATE TABLE shop.sessions_0 PARTITION OF shop.sessions FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE shop.sessions_1 PARTITION OF shop.sessions FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE shop.vouchers (code text, valid daterange NOT NULL, prices shop.price_range, EXCLUDE USING gist (code WITH =, valid WITH &&));
CREATE TABLE shop.gift_vouchers (sender text) INHERITS (shop.vouchers);
CREATE UNLOGGED TABLE shop.baskets (session uuid, content jsonb);
CREATE TABLE shop.empty_table (a integer, b text);
CREATE TABLE shop.no_columns ();
CREATE TABLE shop.scans (id integer PRIMARY KEY, document oid);
CREATE TABLE archive.old_orders (id bigint PRIMARY KEY, body xml, raw bytea, flags bit varying(8), spot point, address inet, wait interval, tags text[], floats double precision[]);
CREATE TABLE "Straße & Co"."Tabelle mit ""Anführung"" und ; $(x) 🐘" ("Spalte 1" integer PRIMARY KEY, "back\slash" text, "tab	name" text);
CREATE TABLE "Straße & Co"."UPPER" (id integer GENERATED BY DEFAULT AS IDENTITY, "select" text DEFAULT 'x''y\z');
CREATE TABLE public."a name that is exactly as long as sixty-three bytes may be, ä!" (x integer);
ALTER TABLE archive.old_orders OWNER TO shop_clerk;

-- Rows. The text has every character that COPY must escape.
INSERT INTO shop.customers (email, name, attributes)
    SELECT 'Customer' || i || '@example.com', E'Name\t' || i || E'\\N\n"x"', extensions.hstore('vip', (i % 7 = 0)::text) FROM generate_series(1, 5000) AS i;
INSERT INTO shop.articles (sku, title, net, details, list_price, search)
    SELECT 'AB-' || i, 'Article ' || i || ' ' || md5(i::text), i % 997 / 10.0, jsonb_build_object('color', md5(i::text), 'sizes', jsonb_build_array(i, i + 1), 'text', repeat(md5(i::text), 3)),
           ROW(i, 'EUR')::shop.money_amount, to_tsvector('shop.articles', 'article ' || i)
    FROM generate_series(1, 4000) AS i;
INSERT INTO shop.orders (customer_id, state, ordered_on, note)
    SELECT 500 + 3 * (i % 5000), (enum_range(NULL::shop.order_state))[1 + i % 4], date '2026-01-01' + i % 300, CASE WHEN i % 5 = 0 THEN NULL WHEN i % 11 = 0 THEN '' ELSE 'note ' || i END
    FROM generate_series(1, greatest(1, coalesce(nullif(current_setting('sample.rows', true), ''), '300000')::integer / 5)) AS i;
INSERT INTO shop.order_lines
    SELECT 1 + i / 5, i % 5, 'AB-' || 1 + i % 4000, 1 + i % 9, i % 1000 / 7.0, 'line ' || i || ' of the shop'
    FROM generate_series(0, coalesce(nullif(current_setting('sample.rows', true), ''), '300000')::integer - 1) AS i;
INSERT INTO shop.events SELECT timestamptz '2025-01-01' + i * interval '20 minutes', CASE i % 3 WHEN 0 THEN 'click' WHEN 1 THEN 'view' ELSE 'buy' END, jsonb_build_object('i', i) FROM generate_series(1, 40000) AS i;
INSERT INTO shop.sessions SELECT md5(i::text)::uuid, i, decode(repeat(md5(i::text), 4), 'hex') FROM generate_series(1, 3000) AS i;
INSERT INTO shop.vouchers SELECT 'V' || i, daterange(date '2026-01-01' + i, date '2026-01-05' + i), shop.price_range(i, i + 10) FROM generate_series(1, 200) AS i;
INSERT INTO shop.gift_vouchers SELECT 'G' || i, daterange(date '2026-01-01', NULL), NULL, 'Anna' FROM generate_series(1, 50) AS i;
INSERT INTO shop.baskets SELECT md5(i::text)::uuid, '{"a": [1, 2]}' FROM generate_series(1, 100) AS i;
INSERT INTO shop.no_columns SELECT FROM generate_series(1, 7);
INSERT INTO archive.old_orders SELECT i, '<order/>', '\x00ff0a5c'::bytea, B'101', point(i, -i), '10.0.0.1/8', interval '1 mon -2 days', ARRAY['a,b', NULL, '"{\'], ARRAY['NaN', '-Infinity', 1e-300]::double precision[] FROM generate_series(1, 500) AS i;
INSERT INTO "Straße & Co"."Tabelle mit ""Anführung"" und ; $(x) 🐘" VALUES (1, '\.', E'\r\n\b\f\v'), (2, E'\\.\n\\.', '🐘'), (3, NULL, '\N'), (4, '', ' ');
INSERT INTO "Straße & Co"."UPPER" ("select") VALUES (E'\x01\x7f'), (repeat('long ', 40000));
INSERT INTO public."a name that is exactly as long as sixty-three bytes may be, ä!" VALUES (1), (NULL);
SELECT setval('shop.invoice_number', 1042, false), nextval('shop.orders_id_seq') FROM generate_series(1, 3);

-- Large objects with owners and privileges of their own (nothing else in a dump is addressed by number).
SELECT lo_from_bytea(710001, decode(repeat('00ff5c0a', 200000), 'hex')), lo_from_bytea(710002, ''), lo_from_bytea(710003, 'small');
INSERT INTO shop.scans VALUES (1, 710001), (2, 710002), (3, 710003);
GRANT SELECT ON LARGE OBJECT 710001 TO shop_clerk;
COMMENT ON LARGE OBJECT 710003 IS 'the small one';

-- Indexes and constraints of every sort, one of them never validated.
CREATE INDEX orders_by_customer ON shop.orders (customer_id, ordered_on DESC NULLS LAST) INCLUDE (state);
CREATE INDEX orders_open ON shop.orders (ordered_on) WHERE state = 'new';
CREATE UNIQUE INDEX articles_lower_title ON shop.articles (lower(title)) WITH (fillfactor = 80);
CREATE INDEX articles_details ON shop.articles USING gin (details jsonb_path_ops);
CREATE INDEX articles_title_trgm ON shop.articles USING gin (title extensions.gin_trgm_ops);
CREATE INDEX articles_search ON shop.articles USING gin (search);
CREATE INDEX articles_gross_net ON shop.articles ((gross - net));
ALTER INDEX shop.articles_gross_net ALTER COLUMN 1 SET STATISTICS 200;
CREATE INDEX events_kind ON shop.events (kind, happened);
CREATE INDEX events_brin ON shop.events_2025 USING brin (happened);
CREATE INDEX sessions_hash ON shop.sessions USING hash (customer_id);
CREATE UNIQUE INDEX old_orders_identity ON archive.old_orders (id, address);
ALTER TABLE shop.customers CLUSTER ON customers_pkey;
ALTER TABLE shop.orders REPLICA IDENTITY FULL;
ALTER TABLE shop.scans REPLICA IDENTITY USING INDEX scans_pkey;
ALTER TABLE shop.order_lines ADD PRIMARY KEY (order_id, line);
ALTER TABLE shop.order_lines ADD CONSTRAINT line_order FOREIGN KEY (order_id) REFERENCES shop.orders ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE shop.order_lines ADD CONSTRAINT line_article FOREIGN KEY (sku) REFERENCES shop.articles (sku);
ALTER TABLE shop.orders ADD CONSTRAINT order_customer FOREIGN KEY (customer_id) REFERENCES shop.customers NOT VALID;
ALTER TABLE shop.orders ADD CONSTRAINT orders_recent CHECK (ordered_on > date '2026-06-01') NOT VALID;
ALTER TABLE shop.sessions ADD CONSTRAINT session_customer FOREIGN KEY (id) REFERENCES shop.sessions (id);
COMMENT ON CONSTRAINT line_order ON shop.order_lines IS 'lines go with their order';
COMMENT ON INDEX shop.orders_open IS 'the packers'' screen';
COMMENT ON COLUMN shop.orders.note IS 'free text 🐘';
ALTER TABLE shop.orders ALTER COLUMN note SET STATISTICS 500;
ALTER TABLE shop.orders ALTER COLUMN note SET STORAGE EXTERNAL;
ALTER TABLE shop.orders ALTER COLUMN customer_id SET (n_distinct = 5000);
ALTER TABLE shop.order_lines SET (fillfactor = 90, autovacuum_enabled = true);
CREATE STATISTICS shop.line_statistics (ndistinct, dependencies, mcv) ON sku, quantity FROM shop.order_lines;
ALTER STATISTICS shop.line_statistics SET STATISTICS 300;

-- Views, a materialised view with an index, rules, policies, triggers (one disabled, one on a partitioned table).
CREATE VIEW shop.order_totals WITH (security_barrier) AS
    SELECT o.id, o.state, count(l.line) AS lines, sum(shop.gross(l.net) * l.quantity) AS gross FROM shop.orders AS o LEFT JOIN shop.order_lines AS l ON l.order_id = o.id GROUP BY o.id;
CREATE VIEW shop.german_customers AS SELECT * FROM shop.customers WHERE name LIKE 'N%' WITH CASCADED CHECK OPTION;
CREATE RECURSIVE VIEW shop.countdown (n) AS VALUES (3) UNION ALL SELECT n - 1 FROM countdown WHERE n > 0;
CREATE MATERIALIZED VIEW shop.sales_by_state AS SELECT state, count(*) AS orders FROM shop.orders GROUP BY state;
CREATE UNIQUE INDEX sales_by_state_key ON shop.sales_by_state (state);
CREATE MATERIALIZED VIEW shop.not_yet_filled AS SELECT 1 AS one WITH NO DATA;
CREATE RULE keep_articles AS ON DELETE TO shop.articles WHERE OLD.net > 10 DO INSTEAD NOTHING;
CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := coalesce(NEW.note, 'touched'); RETURN NEW; END $$;
CREATE FUNCTION shop.log_event() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'event'; RETURN NULL; END $$;
CREATE TRIGGER touch_orders BEFORE UPDATE OF note ON shop.orders FOR EACH ROW WHEN (OLD.note IS DISTINCT FROM NEW.note) EXECUTE FUNCTION shop.touch();
CREATE TRIGGER switched_off AFTER INSERT ON shop.orders FOR EACH STATEMENT EXECUTE FUNCTION shop.log_event();
ALTER TABLE shop.orders DISABLE TRIGGER switched_off;
CREATE TRIGGER always_on AFTER INSERT ON shop.orders FOR EACH STATEMENT EXECUTE FUNCTION shop.log_event();
ALTER TABLE shop.orders ENABLE ALWAYS TRIGGER always_on;
CREATE TRIGGER on_event AFTER INSERT ON shop.events FOR EACH ROW EXECUTE FUNCTION shop.log_event();
CREATE CONSTRAINT TRIGGER late_check AFTER INSERT ON shop.order_lines DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION shop.log_event();
COMMENT ON TRIGGER touch_orders ON shop.orders IS 'fills the note';
ALTER TABLE shop.customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE shop.scans ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_row ON shop.customers FOR SELECT TO shop_clerk USING (email = CURRENT_USER::public.citext);
CREATE POLICY nobody ON shop.scans AS RESTRICTIVE USING (false) WITH CHECK (false);
CREATE PROCEDURE shop.close_orders(before date, INOUT closed integer DEFAULT 0) LANGUAGE plpgsql AS $$
BEGIN
    UPDATE shop.orders SET state = 'shipped' WHERE ordered_on < before AND state = 'paid';
    GET DIAGNOSTICS closed = ROW_COUNT;
END $$;
CREATE PUBLICATION orders_feed FOR TABLE shop.orders WHERE (id > 0);

-- Privileges: tables, columns, sequences, functions, types, schemas, defaults.
GRANT USAGE ON SCHEMA shop TO shop_clerk, "Shop Auditor é";
GRANT SELECT, INSERT ON shop.orders TO shop_clerk WITH GRANT OPTION;
GRANT SELECT (id, name), UPDATE (name) ON shop.customers TO "Shop Auditor é";
GRANT SELECT ON shop.order_totals TO PUBLIC;
GRANT USAGE ON SEQUENCE shop.orders_id_seq TO shop_clerk;
REVOKE ALL ON FUNCTION "Straße & Co"."Größe; DROP"(integer, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION "Straße & Co"."Größe; DROP"(integer, text[]) TO "Shop Auditor é";
GRANT EXECUTE ON PROCEDURE shop.close_orders(date, integer) TO shop_clerk;
REVOKE USAGE ON TYPE shop.order_state FROM PUBLIC;
GRANT USAGE ON TYPE shop.order_state TO shop_clerk;
ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO "Shop Auditor é";
ALTER DEFAULT PRIVILEGES FOR ROLE shop_clerk REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
