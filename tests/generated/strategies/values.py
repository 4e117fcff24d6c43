"""Types of every built-in family with values: SQL expressions of a row's number `i`."""

from tests.generated.strategies.names import literal
from tests.generated.strategies.world import Column, World

# type -> value of row i; a tuple begins with the version that has it.
_PLAIN = {
    "smallint": "(i * 37 % 32000)::int2",
    "integer": "i * 7919 % 100003",
    "bigint": "i::int8 << 40",
    "numeric(12,3)": "i / 7.0",
    "numeric": "CASE i % 4 WHEN 0 THEN 'NaN' ELSE (i::text || '.000100')::numeric END",
    "real": "i / 3.0::real",
    "double precision": "CASE i % 5 WHEN 0 THEN 'infinity' WHEN 1 THEN 'nan' ELSE i / 3.0 END",
    "money": "(i * 13.37)::numeric::money",
    "varchar(40)": "left(md5(i::text), i % 41)",
    "char(5)": "'c' || i % 100",
    '"char"': 'chr(65 + i % 26)::"char"',
    "name": "('n' || i)::name",
    "bytea": "decode(md5(i::text), 'hex') || '\\x005c27'::bytea",
    "timestamp": "'2024-02-29 12:00'::timestamp + i * interval '37 hours 0.123456 s'",
    "timestamp with time zone": "CASE i % 6 WHEN 0 THEN 'infinity' ELSE '2024-03-31 01:59+01'::timestamptz + i * interval '1 h' END",
    "date": "CASE i % 6 WHEN 0 THEN '0044-03-15 BC' ELSE '2000-01-01'::date + i END",
    "time": "'00:00'::time + i * interval '7 min'",
    "timetz": "('12:00:00.5+0' || i % 9)::timetz",
    "interval": "make_interval(i % 3, -i % 5, i, -i)",
    "boolean": "CASE i % 3 WHEN 0 THEN NULL ELSE i % 3 = 1 END",
    "point": "point(i, -i / 3.0)",
    "line": "line(point(0, 0), point(1, i))",
    "lseg": "lseg(point(0, i), point(i, 1))",
    "box": "box(point(i, i), point(0, 0))",
    "path": "path('[(0,0),(' || i || ',1)]')",
    "polygon": "polygon(box(point(0, 0), point(i, i)))",
    "circle": "circle(point(i, 0), i)",
    "inet": "('10.1.' || i % 256 || '.7/9')::inet",
    "cidr": "('10.' || i % 256 || '.0.0/16')::cidr",
    "macaddr": "('08:00:2b:01:02:' || to_char(i % 90 + 10, 'FM00'))::macaddr",
    "macaddr8": "'08:00:2b:01:02:03:04:05'::macaddr8",
    "bit(8)": "(i % 256)::bit(8)",
    "varbit(12)": "(i % 64)::bit(6)::varbit",
    "tsvector": "to_tsvector('simple', 'word' || i || ' it''s')",
    "tsquery": "('a' || i || ' & !b')::tsquery",
    "uuid": "md5(i::text)::uuid",
    "json": '(\'{"a" :\' || i || \',"a":[null, "\\u00e9"]}\')::json',
    "jsonb": "jsonb_build_object('i', i, 'x', NULL, 'q', '\"')",
    "jsonpath": "('$.a[' || i || ']')::jsonpath",
    "int4range": "int4range(i, i + 3, '[]')",
    "numrange": "numrange(NULL, i)",
    "tsrange": "'empty'::tsrange",
    "tstzrange": "tstzrange('2024-01-01', NULL)",
    "daterange": "daterange('2024-01-01'::date + i, NULL)",
    "int8range": "int8range(i, NULL)",
    "pg_lsn": "('0/' || to_hex(i))::pg_lsn",
    "txid_snapshot": "'10:20:10,14,15'::txid_snapshot",
    "oid": "i::oid",
    "tid": "('(0,' || i % 9 + 1 || ')')::tid",
    "regtype": "'int4'::regtype",
    "regclass": "'pg_class'::regclass",
    "int[]": "ARRAY[i, NULL, -i]",
    "text[]": "ARRAY['', NULL, 'NULL', 'a,b', '\"', i::text]",
    "int[][]": "'[0:1][-1:0]={{1,2},{3,4}}'::int[][]",
    "numeric[]": "'{}'::numeric[]",
    "xml": "('<a b=\"' || i || '\">&amp;</a>')::xml",
    "refcursor": "('c' || i)::refcursor",
    "xid": "i::text::xid",
    "oidvector": "'1 2'::oidvector",
    "jsonb[]": "ARRAY['{}', NULL]::jsonb[]",
    "timestamptz[]": "ARRAY['2024-01-01 00:00+00', NULL]::timestamptz[]",
}
_LATER = {
    14: {
        "int4multirange": "int4multirange(int4range(i, i + 2), int4range(i + 9, NULL))",
        "datemultirange": "'{}'::datemultirange",
    }
}


def plain_types(world: World) -> dict[str, str]:
    """Those of the source's version."""
    return _PLAIN | {t: v for version, more in _LATER.items() if world.version >= version for t, v in more.items()}


def texts_of_rows(world: World) -> str:
    """A text value that differs from row to row."""
    few = ", ".join(world.text() for _ in range(3))
    return f"(ARRAY[{few}, NULL])[1 + i % 4] || i"


def column(world: World) -> Column:
    """A column of any type."""
    if world.chance(20):
        return Column(world.name(), "text", texts_of_rows(world))
    if world.types and world.chance(30):
        type_, value = world.one(world.types)
    else:
        type_, value = world.one(sorted(plain_types(world).items()))
    return Column(world.name(), type_, f"CASE WHEN i % 11 = 3 THEN NULL ELSE {value} END")


def default_of(world: World, made: Column) -> str:
    """A default for a column, as SQL after its type."""
    if made.type == "text":
        return f" DEFAULT {world.one([literal('x;y'), 'current_user', 'NULL', 'upper(md5(now()::text))'])}"
    return f" DEFAULT (SELECT NULL)::{made.type}" if world.chance(1) else f" DEFAULT NULL::{made.type}"
