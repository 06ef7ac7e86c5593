"""Settings that roles, databases, servers and variables may have, each at its worst for us."""

# What an application's session may have: it changes how values are read and written.
WORST = {
    "array_nulls": "off",
    "backslash_quote": "off",
    "bytea_output": "escape",
    "client_encoding": "LATIN1",
    "datestyle": "German, DMY",
    "default_text_search_config": "pg_catalog.german",
    "default_transaction_deferrable": "on",
    "default_transaction_isolation": "serializable",
    "escape_string_warning": "on",
    "extra_float_digits": "-15",
    "gin_fuzzy_search_limit": "1",
    "intervalstyle": "sql_standard",
    "jit": "on",
    "jit_above_cost": "0",
    "lc_monetary": "C",
    "plan_cache_mode": "force_custom_plan",
    "plpgsql.extra_errors": "all",
    "quote_all_identifiers": "on",
    "row_security": "off",
    "search_path": "pg_temp, hostile, public, pg_catalog",
    "standard_conforming_strings": "off",
    "timezone": "Asia/Kathmandu",
    "transform_null_equals": "on",
    "xmlbinary": "hex",
    "xmloption": "document",
}
# A session that does not pin these does not live long.
SHORT = {
    "idle_in_transaction_session_timeout": "1ms",
    "idle_session_timeout": "1s",
    "lock_timeout": "1ms",
    "statement_timeout": "1ms",
}
# libpq sends them for every session of a process.
VARIABLES = {
    "PGCLIENTENCODING": "LATIN1",
    "PGDATESTYLE": "German, DMY",
    "PGTZ": "Asia/Kathmandu",
    "PGTARGETSESSIONATTRS": "read-only",
    "PGOPTIONS": "-c statement_timeout=1ms -c search_path=hostile -c intervalstyle=sql_standard",
}


def quoted(value: str) -> str:
    """For SQL. A list of names is not one name."""
    return ", ".join(f"'{part.strip()}'" for part in value.split(","))
