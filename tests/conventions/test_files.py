"""How a file of db/functions is written (no database needed). Each test lists the offenders."""

import re
from pathlib import Path

from db.migrations.install import FUNCTIONS, is_view

# By path within db/functions, in order of their names.
TEXTS = {
    str(path.relative_to(FUNCTIONS)): path.read_text()
    for path in sorted(FUNCTIONS.rglob("*.sql"), key=lambda path: path.stem)
}
VIEWS = {name: text for name, text in TEXTS.items() if is_view(FUNCTIONS / name)}
ROUTINES = {Path(name).stem: text for name, text in TEXTS.items() if name not in VIEWS}

LONGEST_LINE = 100
LONGEST_BODY = 62
LONG_BODIES = ["_update_counts_fenced", "apply_history"]
PROCEDURES = ["reap_loop"]
# They commit, or act with the caller's own rights.
NO_SECURITY_DEFINER = [
    "reap_loop", "_choose_scheduler", "_install_pg_cron", "_may_use_pg_cron",
    "_take_over_cron_jobs", "adopt_legacy_sync_status", "check_sync_consistency",
    "prune_cron_history", "schedule_jobs", "unschedule_jobs",
]  # fmt: skip
# What a start, and the storing and indexing of mail run through. Only functions that run as the
# owner with a pinned path call them. To switch user and path in each took a tenth of the time of a
# start, and half of that of indexing.
INNER = [
    "_attachment_list", "_charge_lost_batches", "_compare_range", "_compare_with_listing",
    "_compared_up_to", "_count_due_messages", "_count_mail", "_dead_letter_exhausted",
    "_due_of_thread", "_end_fetch", "_enqueue_missing_raw", "_fence", "_fetch_state",
    "_field_entries", "_from_epoch_ms", "_join_run", "_join_running", "_label_vector",
    "_lease_owner", "_lock_user_mail", "_max_calls", "_messages_in_flight", "_new_task_id",
    "_next_batch", "_notify_run", "_plan_run", "_queue_for_webhooks", "_reindex_messages",
    "_replace_attachments", "_require_user_here", "_searched_fields", "_sorted_label_ids",
    "_start_sync", "_sync_type_for_account", "_thread_pays_from", "_traceparent",
    "_try_lock_user_shared", "_unindexed_messages", "_update_counts_fenced", "_upsert_messages",
    "_valid_source", "_valid_user_id", "_waits_for_google", "_write_messages",
]  # fmt: skip
# The planner puts them into the query that calls them. Views call them with their reader's rights
# and path, so their bodies are parsed when they are created.
INLINED = [
    "_is_unspaced", "_is_within", "_period_entry", "_run_waits", "_search_key", "_size_class",
    "_user_slot", "_zombie_cause"
]  # fmt: skip
# They read a table that the caller names, or create functions again under another owner.
DYNAMIC_SQL = [
    "_take_over_cron_jobs", "adopt_legacy_sync_status", "check_sync_consistency",
    "search_messages",
]  # fmt: skip
# What they also pin, because it changes what they do in an application's session.
PINNED = {
    # The catalog's functions print a definition as this setting demands.
    "_missing_constraints": ["quote_all_identifiers = off"],
    # They put times into words.
    "_reap_zombies": ["timezone = 'UTC'", "datestyle = 'ISO, MDY'"],
    # They read times, and mean those without a zone as UTC.
    "_try_time": ["timezone = 'UTC'", "datestyle = 'ISO, MDY'"],
    "adopt_legacy_sync_status": ["timezone = 'UTC'"],
    # A day of its buckets has 24 hours.
    "sync_activity": ["timezone = 'UTC'"],
    # The planner cannot know how few messages an entry of the index has. The limit, if a role or
    # database sets it, takes candidates at random.
    "_search_candidates": ["enable_seqscan = off", "gin_fuzzy_search_limit = 0"],
    # They read the first entries of an index, whatever old statistics say.
    "_bounded_counts": ["enable_sort = off"],
    "_lock_next_ready_stream": ["enable_seqscan = off", "enable_sort = off"],
    "_oldest_waiting_seconds": ["enable_sort = off"],
    "_operator_reasons": ["enable_sort = off"],
    "_sampled_zombies": ["enable_sort = off"],
    "_wake_due_streams": ["enable_seqscan = off", "enable_sort = off"],
    "running_syncs_read_to": ["enable_sort = off"],
    "list_accounts_to_reconnect": ["enable_sort = off"],
    # Its last step sorts one page, and a sort that is off costs enough to compile the query.
    "list_running_syncs": ["enable_sort = off", "jit = off"],
    "list_workers": ["enable_sort = off"],
    # pg_cron's tables have policies.
    "_cron_job_runs": ["row_security = on"],
    "_cron_jobs": ["row_security = on"],
    "prune_cron_history": ["row_security = on"],
    "schedule_jobs": ["row_security = on"],
    "unschedule_jobs": ["row_security = on"],
}
SHOUTED = re.compile(
    r"\b(SELECT|INSERT|UPDATE|DELETE|FROM|WHERE|BEGIN|END|CREATE|RETURNS?|DECLARE|AND|OR|NOT|NULL"
    r"|TRUE|FALSE|SET|LOOP|IF|THEN|ELSE|CASE|WHEN|GRANT|REVOKE|FUNCTION|TEXT|INTEGER|BOOLEAN)\b"
)


def head(text: str) -> str:
    """From `create` to the body."""
    return text[text.index("create or replace ") : _body(text).start()]


def body(text: str) -> str:
    match = _body(text)
    return match["text"] or match["expression"]


def _body(text: str) -> re.Match[str]:
    """In $$, or one expression that is parsed when it is created."""
    found = re.search(
        r"\nas \$\$\n(?P<text>.*?)\n\$\$;|\n(?P<expression>return .*?;)\n", text, re.S
    )
    assert found is not None
    return found


def code(text: str) -> str:
    """Without comments and string constants."""
    return re.sub(r"'(?:[^']|'')*'", "''", re.sub(r"--.*", "", text))


def test_lines_are_short() -> None:
    assert [
        f"{name}:{number}"
        for name, text in TEXTS.items()
        for number, line in enumerate(text.splitlines(), 1)
        if len(line) > LONGEST_LINE
    ] == []


def test_lines_end_where_they_end() -> None:
    assert [name for name, text in TEXTS.items() if re.search(r"[ \t\r]$|\t", text, re.M)] == []


def test_files_end_with_one_newline() -> None:
    assert [name for name, text in TEXTS.items() if not re.search(r"\S\n\Z", text)] == []


def test_a_file_makes_the_one_object_it_is_named_after() -> None:
    for name, text in TEXTS.items():
        stem = Path(name).stem
        kind = "view" if name in VIEWS else "procedure" if stem in PROCEDURES else "function"
        made = re.findall(r"^create (?:or replace )?(\w+) gmail_sync\.(\w+)", text, re.M)
        assert made == [(kind, stem)], name


def test_a_file_says_what_it_makes_then_closes_it_then_grants() -> None:
    wanted = re.compile(
        r"create or replace .*?;\n\ncomment on .*?;\n\n"
        r"revoke all on .* from public;\n(grant execute on .*;\n)?\Z",
        re.S,
    )
    assert [name for name, text in ROUTINES.items() if not wanted.search(text)] == []
    assert [
        name for name, text in VIEWS.items() if "\ncomment on view gmail_sync." not in text
    ] == []


def test_attributes_stand_in_one_order() -> None:
    attributes = re.compile(
        r"\nreturns .*\nlanguage \w+\n(immutable|stable|volatile)\n(security definer\n)?"
        r"set search_path = pg_catalog, pg_temp((?:\nset \w+ = [^\n]*)*)\Z",
        re.S,
    )
    inner = re.compile(r"\nreturns .*\nlanguage \w+\n(immutable|stable|volatile)\Z", re.S)
    assert [name for name, text in ROUTINES.items() if inner.search(head(text))] == sorted(
        [*INNER, *INLINED]
    )
    others = {
        name: text for name, text in ROUTINES.items() if name not in [*PROCEDURES, *INNER, *INLINED]
    }
    found = {name: attributes.search(head(text)) for name, text in others.items()}
    assert [name for name, match in found.items() if match is None] == []
    without_definer = [name for name, match in found.items() if match and not match[2]]
    assert [*PROCEDURES, *without_definer] == NO_SECURITY_DEFINER
    pinned = {name: match[3].split("\nset ")[1:] for name, match in found.items() if match}
    assert {name: settings for name, settings in pinned.items() if settings} == PINNED


def test_backslashes_mean_themselves_in_every_session() -> None:
    """With standard_conforming_strings off, they do so only in E'' and $$."""
    plain = re.compile(r"(?<!\bE)'[^'\n]*\\[^'\n]*'")
    # Only the service searches, and its sessions pin the setting.
    assert [name for name, text in TEXTS.items() if plain.search(re.sub("--.*", "", text))] == []


def test_what_pins_no_path_is_called_only_with_one_pinned() -> None:
    call = re.compile(rf"gmail_sync\.(?:{'|'.join(INNER)})\(")
    callers = {name for name, text in ROUTINES.items() if call.search(code(body(text)))}
    pinned = "\nsecurity definer\nset search_path = pg_catalog, pg_temp"
    assert {name for name in callers if pinned not in head(ROUTINES[name])} <= set(INNER)
    assert [name for name, text in VIEWS.items() if call.search(code(text))] == []


def test_arguments_start_with_p_and_locals_with_v() -> None:
    for name, text in ROUTINES.items():
        declared = re.match(r"declare\n(.*?)\nbegin", body(text), re.S)
        locals_ = re.findall(r"^  (\w+) ", declared[1], re.M) if declared else []
        assert [local for local in locals_ if not local.startswith("v_")] == [], name
        arguments = re.search(r"\((.*?)\)\n(?:returns|language)", head(text), re.S)
        assert arguments is not None
        for argument in filter(None, re.split(r",\s*", arguments[1].strip())):
            assert argument.startswith("p_"), f"{name}: {argument}"


def test_what_is_inlined_is_parsed_when_it_is_created() -> None:
    parsed = [name for name, text in ROUTINES.items() if "\nas $$" not in text]
    assert parsed == INLINED


def test_a_body_fits_on_a_screen() -> None:
    long = [name for name, text in ROUTINES.items() if body(text).count("\n") >= LONGEST_BODY]
    assert long == LONG_BODIES


def test_only_what_reads_a_named_table_is_dynamic_sql() -> None:
    dynamic = [
        name for name, text in ROUTINES.items() if re.search(r"\bexecute\b", code(body(text)))
    ]
    assert dynamic == DYNAMIC_SQL


def test_keywords_are_lower_case() -> None:
    shouted = {name: SHOUTED.findall(code(text)) for name, text in TEXTS.items()}
    assert {name: words for name, words in shouted.items() if words} == {}


def test_case_is_ignored_without_the_locale_of_the_database() -> None:
    """In Turkish, the lower case of I is not i, so an address would differ from itself."""
    folding = re.compile(r"\b(?:lower|upper|initcap)\s*\(|\bilike\b|\bcitext\b|~\*")
    schema = (FUNCTIONS.parent / "migrations/versions/0001_baseline.sql").read_text()
    lines = [line for text in (*TEXTS.values(), schema) for line in code(text).splitlines()]
    by_locale = [line for line in lines if folding.search(line) and 'collate "C"' not in line]
    assert by_locale == []


def test_our_objects_are_named_with_their_schema() -> None:
    schema = (FUNCTIONS.parent / "migrations/versions/0001_baseline.sql").read_text()
    ours = {Path(name).stem for name in TEXTS} | set(
        re.findall(r"create table gmail_sync\.(\w+)", schema)
    )
    for name, text in TEXTS.items():
        common_tables = re.findall(r"\b(\w+) as (?:materialized )?\(", text)
        named = re.findall(r"\b(?:from|join|update|into|perform|call)\s+(\w+)\b(?!\.)", code(text))
        assert (ours & set(named)) - set(common_tables) == set(), name
