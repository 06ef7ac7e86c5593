-- The tables of gmail-sync: runs first, then mail, then what the reaper and the operators need.

create domain gmail_sync.user_key as text
  constraint user_id_is_readable check (
    char_length(value) between 1 and 255
    -- The blank characters of Unicode. What \S matches depends on the database's locale.
    and value ~ '[^ \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]'
    and value !~ '[\x01-\x1f\x7f-\x9f]'
  );

comment on domain gmail_sync.user_key is
'The application''s id of a user: 1 to 255 characters, not blank, no control characters.';

create table gmail_sync.settings (
  only_row boolean primary key default true constraint settings_is_one_row check (only_row),
  -- Who reaps, starts due syncs and prunes: jobs of pg_cron, or the service's workers.
  scheduler text not null default 'pg_cron'
    constraint known_scheduler check (scheduler in ('pg_cron', 'service')),
  heartbeat_interval interval not null default '15 s',
  heartbeat_timeout interval not null default '60 s',
  stall_timeout interval not null default '30 min',
  queue_timeout interval not null default '30 min',
  -- A run that has been due for longer, while no worker is alive, counts as without a worker.
  pickup_timeout interval not null default '10 s',
  -- After so long without a worker, health reports it.
  pickup_alert interval not null default '30 s',
  -- After so long without a pass of pg_cron, the service reaps.
  reaper_timeout interval not null default '30 s',
  -- After so long without a pass of the scheduler, health reports it.
  reaper_alert interval not null default '45 s',
  -- A scheduled run that has waited so long ranks with push and resume.
  schedule_aging interval not null default '5 min',
  -- A run that has to wait longer for Google is handed over to a successor.
  longest_wait interval not null default '5 min',
  retry_delay interval not null default '30 s',
  max_retry_delay interval not null default '10 min',
  max_attempts integer not null default 12,
  max_message_attempts integer not null default 8,
  history_retention interval not null default '90 days',
  longest_transaction interval not null default '1 hour'
    constraint longest_transaction_is_positive check (longest_transaction > interval '0'),
  watch_interval interval not null default '1 day',
  max_starts_a_minute integer not null default 20,
  max_connects_a_minute integer not null default 20,
  -- The part of a project's quota that this database may use; several nodes share one project.
  project_share numeric not null default 1
    constraint project_share_is_a_part check (project_share between 0 and 1),
  -- An event that one webhook refuses for longer, while it accepts others, is given up.
  webhook_retry_period interval not null default '1 day',
  -- A webhook that accepts nothing for longer is disabled. Its events are kept for as long.
  webhook_disable_after interval not null default '5 days',
  -- How long the history of deliveries is kept.
  webhook_history_retention interval not null default '3 days',
  -- How many bytes of content an event has at most, if its webhook gets content.
  webhook_content_limit integer not null default 200000
    constraint content_limit_is_sensible check (webhook_content_limit between 1000 and 1000000),
  -- 32 bytes, of which each installation has its own.
  audit_salt bytea not null
    default uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()),
  constraint timeout_spans_three_beats check (heartbeat_timeout >= 3 * heartbeat_interval),
  constraint durations_are_positive check (
    least(
      heartbeat_interval, stall_timeout, queue_timeout, pickup_timeout, pickup_alert,
      reaper_timeout, reaper_alert, schedule_aging, longest_wait, retry_delay, history_retention,
      webhook_retry_period, webhook_disable_after, webhook_history_retention
    ) > interval '0'
    and max_retry_delay >= retry_delay
  ),
  -- A time so long ago cannot be reckoned with, and programs cannot read infinity.
  constraint durations_are_at_most_a_thousand_years check (
    greatest(
      heartbeat_interval, heartbeat_timeout, stall_timeout, queue_timeout, pickup_timeout,
      pickup_alert, reaper_timeout, reaper_alert, schedule_aging, longest_wait, retry_delay,
      max_retry_delay, history_retention, longest_transaction, webhook_retry_period,
      webhook_disable_after, webhook_history_retention
    ) <= interval '1000 years'
  ),
  constraint tries_are_positive check (least(max_attempts, max_message_attempts) >= 1),
  constraint watches_are_renewed_in_time check (
    watch_interval > interval '0' and watch_interval <= interval '6 days'
  ),
  constraint rates_are_positive check (least(max_starts_a_minute, max_connects_a_minute) >= 1)
);

comment on table gmail_sync.settings is
'One row of durations and limits. Workers read it at each claim, functions at each call.';

insert into gmail_sync.settings default values;

-- Empty unless this database is one of several nodes.
create table gmail_sync.slot_elsewhere (
  slot integer primary key constraint slot_is_one_of_64 check (slot between 0 and 63),
  since timestamptz not null default clock_timestamp(),
  -- While a slot moves, lists of all users still have its users here.
  is_listed boolean not null default false
);

comment on table gmail_sync.slot_elsewhere is
'Slots whose users live on another node: nothing is started, claimed or changed for them here.';

-- One row a run. Constraint names sort after chk_, because Postgres reports the
-- alphabetically first violated check and chk_sync_state_consistency is the one to see.
-- Each insert and update of a run parses all checks and the generated column, so they are short.
-- NULL passes a check.
create table gmail_sync.user_sync_status (
  task_id text not null,
  user_id gmail_sync.user_key not null,
  is_syncing boolean not null default true,
  sync_type text not null default 'incremental',
  progress_percentage integer not null default 0,
  -- What the page says in its reader's language, and a text in English that says more.
  error_code text,
  error_message text,
  started_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  source text not null default 'sql',
  claimed_at timestamptz default now(),
  claimed_by uuid,
  progressed_at timestamptz,
  waiting_until timestamptz,
  phase text not null default 'listing',
  finished_at timestamptz,
  outcome text,
  attempt integer not null default 1,
  resumes text,
  not_before timestamptz not null default now(),
  follow_up text,
  found integer not null default 0,
  new integer not null default 0,
  updated integer not null default 0,
  unchanged integer not null default 0,
  deleted integer not null default 0,
  gone integer not null default 0,
  failed integer not null default 0,
  pending integer not null default 0,
  -- New messages whose content came from an import. They are in `new`, too.
  imported integer not null default 0,
  -- Messages done before the claim do not count for the throughput of this run.
  done_at_claim integer not null default 0,
  -- When the run began to fetch, and how many messages were done then: its speed is that since.
  fetching_at timestamptz,
  done_at_fetch integer not null default 0,
  -- What the messages left are expected to cost, as a part of what each by itself would.
  planned_at timestamptz,
  planned_share real,
  -- The traces that asked for it and for its follow-up: traceparents of W3C's Trace Context.
  traceparent text,
  follow_up_traceparent text,
  -- Text concatenation, because jsonb_build_object is not immutable.
  current_stats jsonb not null generated always as ((
    '{"found": ' || found::text
    || ', "new": ' || new::text
    || ', "updated": ' || updated::text
    || ', "unchanged": ' || unchanged::text
    || ', "deleted": ' || deleted::text
    || ', "gone": ' || gone::text
    || ', "failed": ' || failed::text
    || ', "pending": ' || pending::text
    || ', "imported": ' || imported::text || '}'
  )::jsonb) stored,

  constraint uniq_task_id primary key (task_id),
  constraint uniq_resumes unique (resumes),

  constraint chk_sync_state_consistency check (
    case
      when is_syncing then progress_percentage between 0 and 99
      else progress_percentage in (0, 100)
    end
  ),
  constraint ended_means_finished_with_an_outcome check (
    is_syncing = (finished_at is null) and is_syncing = (outcome is null)
  ),
  constraint error_means_ended check (error_message is null or not is_syncing),
  constraint failed_says_why check (outcome is distinct from 'failed' or error_message is not null),
  constraint found_is_the_sum_of_the_other_counts check (
    found = new + updated + unchanged + deleted + gone + failed + pending
  ),
  constraint hundred_percent_means_succeeded check (
    (progress_percentage = 100) = (outcome is not distinct from 'succeeded')
  ),
  constraint known_error_code check (
    error_code = any (
      '{another_mailbox, clock_skew, credentials_unusable, cursor_refused, gmail_refused,
        gmail_unavailable, history_loop, import_first, not_connected, silent, stalled, unexpected,
        user_moving, worker_stopped}'
    )
  ),
  constraint known_follow_up check (follow_up = any ('{incremental, full}')),
  constraint known_outcome check (
    outcome = any ('{succeeded, failed, reaped, cancelled, superseded}')
  ),
  constraint known_phase check (
    phase = any ('{queued, listing, fetching, waiting, reconciling, done}')
  ),
  constraint known_source check (source = any ('{api, sql, schedule, push, resume}')),
  constraint known_sync_type check (sync_type = any ('{full, incremental}')),
  constraint no_count_is_negative check (
    least(found, new, updated, unchanged, deleted, gone, failed, pending, imported) >= 0
  ),
  constraint resumes_another_run check (resumes <> task_id),
  constraint success_leaves_nothing_pending check (
    outcome is distinct from 'succeeded' or pending = 0
  ),
  constraint traceparent_has_the_form_of_w3c check (
    traceparent ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$'
    and follow_up_traceparent ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$'
  ),
  constraint timestamps_are_finite check (
    isfinite(started_at) and isfinite(updated_at) and isfinite(not_before)
    and isfinite(claimed_at) and isfinite(progressed_at) and isfinite(waiting_until)
    and isfinite(finished_at) and isfinite(fetching_at) and isfinite(planned_at)
  ),
  constraint tries_count_from_one check (attempt >= 1),
  constraint unclaimed_means_queued check (
    claimed_at is not null or not is_syncing or phase = 'queued'
  )
)
with (
  -- Room for heartbeats to stay on their page (HOT): no index may name a column that a beat
  -- or a progress report writes.
  fillfactor = 70,
  -- A claim steps over the index entries of all runs claimed since the last vacuum. The long
  -- history must not make vacuums rare, nor make them skip the indexes.
  autovacuum_vacuum_scale_factor = 0.01,
  vacuum_index_cleanup = on
);

comment on table gmail_sync.user_sync_status is
'One row a run: one attempt of one worker to sync one user. Ended rows are immutable.';

-- This index is the mutex: at most one running run for each user.
create unique index uniq_user_running_sync
  on gmail_sync.user_sync_status (user_id) where is_syncing;

create index runs_of_a_user on gmail_sync.user_sync_status (user_id, started_at);
-- The outcome is included, so an index-only scan counts the runs of a day.
create index runs_by_end on gmail_sync.user_sync_status (finished_at) include (outcome)
  where not is_syncing;
create index runs_of_workers on gmail_sync.user_sync_status (claimed_by)
  where is_syncing and claimed_at is not null;
-- A claim reads the first entries of these: all runs, those of people, those of events at Google.
create index runs_waiting_for_a_worker on gmail_sync.user_sync_status (not_before)
  where is_syncing and claimed_at is null;
create index runs_of_people_waiting on gmail_sync.user_sync_status (not_before)
  where is_syncing and claimed_at is null and source in ('api', 'sql');
create index runs_of_events_waiting on gmail_sync.user_sync_status (not_before)
  where is_syncing and claimed_at is null and source in ('push', 'resume');
-- The last entries are those that started in the future, if the clock was set back.
create index runs_waiting_by_start on gmail_sync.user_sync_status (started_at)
  where is_syncing and claimed_at is null;

create table gmail_sync.quota_profile (
  name text primary key,
  -- An older name, which is still accepted.
  alias text unique,
  user_units integer constraint user_cap_is_positive check (user_units > 0),
  project_units integer constraint project_cap_is_positive check (project_units > 0),
  window_length interval not null default '60 s'
    constraint window_is_positive check (window_length > interval '0'),
  -- Of the whole project, from midnight to midnight Pacific time.
  day_units bigint constraint day_cap_is_positive check (day_units > 0),
  -- The first day on which Google no longer grants these caps.
  ends_on date
);

comment on table gmail_sync.quota_profile is
'Caps in quota units, per user and project for each window, and per project and day; NULL is none.';

insert into gmail_sync.quota_profile
  (name, alias, user_units, project_units, day_units, ends_on)
values
  ('google-standard', 'google-2026', 6000, 1200000, 80000000, null),
  ('google-legacy', null, 15000, 1200000, null, '2027-04-01'),
  ('unlimited', null, null, null, null, null);

create table gmail_sync.quota_cost (
  profile text not null references gmail_sync.quota_profile,
  method text not null,
  -- Empty for a method that has no formats.
  format text not null default '',
  units integer not null constraint cost_is_positive check (units > 0),
  primary key (profile, method, format)
);

comment on table gmail_sync.quota_cost is
'Units that one call of a Gmail method costs, in each format of its answer.';

insert into gmail_sync.quota_cost (profile, method, format, units)
select profile, method, format, units
from (values ('google-standard', 20), ('google-legacy', 5)) as gets (profile, units)
cross join (values
  ('messages.get', 'full'),
  ('messages.get', 'raw'),
  ('messages.get', 'minimal'),
  ('attachments.get', '')
) as methods (method, format)
union all
values ('google-standard', 'threads.get', 'full', 40), ('google-legacy', 'threads.get', 'full', 10)
union all
select profile, method, '', units
from (values ('google-standard'), ('google-legacy')) as profiles (profile)
cross join (values
  ('messages.list', 5),
  ('history.list', 2),
  ('labels.list', 1),
  ('getProfile', 1),
  ('watch', 100),
  ('stop', 50)
) as methods (method, units);

create table gmail_sync.quota_charge (
  id bigint generated always as identity primary key,
  profile text not null,
  user_id gmail_sync.user_key not null,
  charged_at timestamptz not null,
  units integer not null,
  -- Never later than charged_at, so a reservation of the future means a clock that was set back.
  reserved_at timestamptz not null default clock_timestamp()
);

create index charges_of_a_project on gmail_sync.quota_charge (profile, charged_at);
create index charges_of_a_user on gmail_sync.quota_charge (user_id, charged_at);

comment on table gmail_sync.quota_charge is
'The quota ledger: units spent within the current windows.';

create table gmail_sync.quota_day (
  profile text not null,
  day date not null,
  units bigint not null,
  -- When Google last said that the day is used up, whatever the ledger has left.
  refused_at timestamptz,
  primary key (profile, day)
)
-- Room for the updates of a day to stay on their page (HOT).
with (fillfactor = 10);

comment on table gmail_sync.quota_day is
'The quota ledger: units spent on each day of Pacific time.';

create table gmail_sync.quota_share (
  work text primary key constraint known_work check (work in ('asked', 'automatic', 'full')),
  share numeric not null constraint share_is_a_part check (share > 0 and share <= 1)
);

comment on table gmail_sync.quota_share is
'Up to which part of the day''s quota a kind of work may spend; the rest is kept for the others.';

insert into gmail_sync.quota_share (work, share) values
  ('asked', 1), ('automatic', 0.95), ('full', 0.9);

create table gmail_sync.refusal (
  code text primary key,
  status text not null constraint refusal_is_a_status check (
    status in ('reauth_required', 'suspended')
  ),
  -- What the operator must do, in sync_health; NULL when the person or an administrator must act.
  operator_advice text,
  unique (code, status)
);

insert into gmail_sync.refusal (code, status, operator_advice) values
  ('reauth_required', 'reauth_required', null),
  ('scope_missing', 'reauth_required', null),
  ('session_ended', 'reauth_required', null),
  ('another_mailbox', 'reauth_required', null),
  ('account_blocked', 'suspended', null),
  ('admin_refused', 'suspended', null),
  (
    'client_gone', 'suspended',
    'the OAuth client was deleted or disabled: restore it, or set another client'
  ),
  (
    'client_invalid', 'suspended',
    'Google rejects the OAuth client: check GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET'
  ),
  (
    'client_restricted', 'suspended',
    'the OAuth client is not open to them: add them to its audience'
  ),
  (
    'api_disabled', 'suspended',
    'the Gmail API is off in the Google Cloud project: enable it'
  );

comment on table gmail_sync.refusal is
'Why Google refuses an account, and the status that the account then has.';

create sequence gmail_sync.message_change;

create table gmail_sync.account (
  user_id gmail_sync.user_key primary key,
  email text not null constraint email_is_readable check (email ~ '^[^\s@]+@[^\s@]+$'),
  status text not null default 'connected' constraint known_status check (
    status in ('connected', 'reauth_required', 'suspended', 'disconnected')
  ),
  -- Who must act, and how; status_reason has it in words, with what Google said.
  status_code text,
  status_reason text,
  credentials bytea,
  history_id numeric constraint history_id_is_whole check (
    history_id >= 0 and history_id = trunc(history_id)
  ),
  listing_history_id numeric,
  listing_page_token text,
  listing_complete boolean not null default false,
  -- The last stored message that has been compared with the complete listing.
  reconciled_to text not null default '',
  messages_total bigint,
  -- The run that completed the last listing.
  listed_by text,
  -- False until Gmail has said that the credentials are those of this very mailbox.
  verified boolean not null default false,
  content_mode text not null default 'full' constraint known_content_mode check (
    content_mode in ('full', 'raw')
  ),
  -- The last message of a walk, newest first, that queues messages without a raw copy. NULL when
  -- the walk is over.
  backfilled_to timestamptz,
  backfilled_to_id text,
  -- The last touched message with which a chain of runs has begun its counts. NULL when all have.
  counts_begun_to text,
  quota_profile text not null default 'google-standard' references gmail_sync.quota_profile,
  sync_interval interval constraint interval_is_a_minute_or_more check (
    sync_interval >= interval '1 min'
  )
  constraint interval_is_at_most_a_thousand_years check (
    sync_interval <= interval '1000 years'
  ),
  watch_expires_at timestamptz,
  connected_at timestamptz not null default now(),
  -- The run that was under way then: it has the credentials of before.
  connected_during text,
  watched_at timestamptz,
  -- Changes up to this number are of mail that was deleted as a whole, without tombstones.
  changes_begin bigint not null default nextval('gmail_sync.message_change'),
  constraint backfill_has_a_place check ((backfilled_to is null) = (backfilled_to_id is null)),
  constraint connected_has_credentials check (status <> 'connected' or credentials is not null),
  constraint code_belongs_to_status foreign key (status_code, status)
    references gmail_sync.refusal (code, status),
  constraint only_a_listing_has_pages check (
    listing_history_id is not null
    or (listing_page_token is null and not listing_complete and reconciled_to = '')
  )
);

comment on table gmail_sync.account is
'A user''s Gmail account: sealed credentials, cursor (history_id), state of a listing.';

create index accounts_by_watch on gmail_sync.account (watched_at) where watched_at is not null;
-- The first entries are watches that Gmail refused to renew, then those that end next.
create index accounts_by_end_of_watch
  on gmail_sync.account ((coalesce(watch_expires_at, '-infinity')))
  where status = 'connected' and watched_at is not null;
create index accounts_of_a_profile on gmail_sync.account (quota_profile);
-- The code is included, so an index-only scan counts what the operator must do.
create index accounts_to_reconnect on gmail_sync.account (user_id) include (status_code)
  where status in ('reauth_required', 'suspended');

-- Writers only add rows, so they never wait for one another; a pass of enqueue_due_syncs puts one
-- row in place of a user's rows. Hence no key, and no row of account for it to lock.
create table gmail_sync.schedule (
  -- Not always a valid id: a repair removes runs of impossible users.
  user_id text not null,
  -- No later than the account is due. Long ago if something has changed, NULL if it cannot be due.
  check_at timestamptz default 'epoch',
  -- Such an account becomes due when others have a watch.
  unwatched_since timestamptz,
  checked_at timestamptz not null default now()
)
with (autovacuum_vacuum_scale_factor = 0.02);

comment on table gmail_sync.schedule is
'When to check next whether an account is due for a run that nobody asks for.';

create index checks_by_time on gmail_sync.schedule (check_at);
create index checks_of_a_user on gmail_sync.schedule (user_id);
create index checks_of_unwatched on gmail_sync.schedule (unwatched_since)
  where unwatched_since is not null;
-- The last entries are of the future, if the clock was set back.
create index checks_by_writing on gmail_sync.schedule (checked_at);

create table gmail_sync.message (
  user_id gmail_sync.user_key not null,
  message_id text not null,
  thread_id text not null,
  history_id numeric not null,
  internal_date timestamptz not null,
  label_ids text[] not null,
  subject text,
  sender text,
  recipients text,
  cc text,
  bcc text,
  reply_to text,
  sent_at timestamptz,
  rfc822_message_id text,
  in_reply_to text,
  reference_ids text,
  headers jsonb not null,
  snippet text not null,
  body_text text,
  body_html text,
  -- What a person sees in body_html and body_text does not say, for the search.
  html_text text,
  size_estimate bigint not null,
  defects text[] not null default '{}',
  raw bytea,
  deleted_at timestamptz,
  change_number bigint not null,
  -- The change with which the message came in, or came back after it was deleted.
  created_number bigint not null default 0
)
with (autovacuum_analyze_scale_factor = 0.05);

comment on table gmail_sync.message is
'Fetched messages. deleted_at is a tombstone; change_number grows with each change.';

create index messages_by_date on gmail_sync.message (user_id, internal_date, message_id);
create index messages_by_change on gmail_sync.message (user_id, change_number);
create index messages_by_thread on gmail_sync.message (user_id, thread_id, internal_date);
-- Of indexes with equal cost the planner takes the newest. In a table that was never analyzed, all
-- indexes of a user cost the same, so the key has to come last.
alter table gmail_sync.message add primary key (user_id, message_id);

-- The writers of a user's mail take turns, so they do not wait for one another here.
create table gmail_sync.mail_count (
  user_id gmail_sync.user_key primary key,
  messages bigint not null,
  with_raw bigint not null
)
-- Room for each batch to change its row in place.
with (fillfactor = 50);

comment on table gmail_sync.mail_count is
'How many messages of each user are stored and not deleted, and how many have a raw copy.';

create table gmail_sync.message_words (
  -- '' in the row that says that the words are here.
  user_id text not null,
  message_id text not null,
  internal_date timestamptz not null,
  words tsvector not null,
  primary key (user_id, message_id)
  -- No foreign key: its lock would write the message's page once more.
)
-- Words lie apart, so a search reads many dates from one page.
with (toast_tuple_target = 128);

comment on table gmail_sync.message_words is
'The words of each message, for the search.';

create index messages_by_word on gmail_sync.message_words using gin (words);

-- An unlogged table is empty after a crash, so without this row. See _queue_lost_words.
insert into gmail_sync.message_words values ('', '', '-infinity', '');

create table gmail_sync.index_queue (
  user_id gmail_sync.user_key not null,
  internal_date timestamptz not null,
  message_id text not null,
  primary key (user_id, internal_date, message_id)
)
-- Grows and shrinks within minutes; plans made for the empty table are slow.
with (autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.05);

comment on table gmail_sync.index_queue is
'Stored messages whose words index_messages has still to find.';

create table gmail_sync.index_backlog (
  user_id gmail_sync.user_key primary key,
  before_date timestamptz not null default 'infinity',
  before_id text not null default ''
);

comment on table gmail_sync.index_backlog is
'Users whose words were lost: their messages before this one still have to go to index_queue.';

create table gmail_sync.mail_import (
  user_id gmail_sync.user_key primary key,
  keep_deleted boolean not null,
  -- Messages of the export that were stored before it.
  known integer not null default 0,
  -- What became of the others, once Gmail had listed the mailbox.
  joined integer not null default 0,
  kept integer not null default 0,
  dropped integer not null default 0,
  -- Without an id in the export, and without a match in the mailbox.
  unmatched integer not null default 0,
  -- Whether the export is of this mailbox; NULL until it is compared with the listing.
  own boolean
);

comment on table gmail_sync.mail_import is
'The last import of each user: what it asked for, and what became of its messages.';

create table gmail_sync.imported_message (
  user_id gmail_sync.user_key not null,
  -- The message id, or a hash of the content where the export has no id.
  import_key text not null,
  -- NULL until it is matched, if the export has no id.
  message_id text,
  thread_id text not null,
  -- What it is to be matched by, until it was tried.
  rfc822_message_id text,
  -- Labels of Gmail's own by id, and those of the user by name.
  label_ids text[] not null,
  label_names text[] not null,
  size bigint not null,
  -- As store_messages takes it, without message_id, history_id and label_ids.
  parsed jsonb not null,
  raw bytea,
  primary key (user_id, import_key)
)
-- Grows and shrinks within minutes; plans made for the empty table are slow.
with (autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.05);

create index imports_without_id on gmail_sync.imported_message (user_id, thread_id)
  where message_id is null;
create index imports_to_match on gmail_sync.imported_message (user_id, thread_id, import_key)
  where message_id is null and rfc822_message_id is not null;

comment on table gmail_sync.imported_message is
'Messages of an export, until a full sync stores those that Gmail lists.';

-- lz4, if the server has it: as small as pglz in half the time.
do $$
begin
  if exists (
    select from pg_settings where name = 'default_toast_compression' and 'lz4' = any (enumvals)
  ) then
    alter table gmail_sync.message
      alter column headers set compression lz4,
      alter column body_text set compression lz4,
      alter column body_html set compression lz4,
      alter column html_text set compression lz4,
      alter column raw set compression lz4;
    alter table gmail_sync.message_words alter column words set compression lz4;
    alter table gmail_sync.imported_message
      alter column parsed set compression lz4,
      alter column raw set compression lz4;
  end if;
end;
$$;

create table gmail_sync.attachment (
  user_id gmail_sync.user_key not null,
  message_id text not null,
  part_id text not null,
  filename text,
  mime_type text not null,
  size bigint not null,
  content_id text,
  inline boolean not null,
  primary key (user_id, message_id, part_id),
  foreign key (user_id, message_id) references gmail_sync.message on delete cascade
);

comment on table gmail_sync.attachment is
'Attachments by part_id, since Gmail''s attachmentIds expire.';

create table gmail_sync.label (
  user_id gmail_sync.user_key not null,
  label_id text not null,
  name text not null,
  type text not null,
  primary key (user_id, label_id)
);

comment on table gmail_sync.label is 'Labels of an account, replaced by each sync.';

create table gmail_sync.listing (
  user_id gmail_sync.user_key not null,
  message_id text not null,
  primary key (user_id, message_id)
)
-- Grows and shrinks within minutes; plans made for the empty table are slow.
with (autovacuum_analyze_scale_factor = 0.02);

comment on table gmail_sync.listing is
'Every id of the listing in progress; a message absent from a complete listing was deleted.';

create table gmail_sync.compared_message (
  user_id gmail_sync.user_key not null,
  comparison uuid not null,
  message_id text not null,
  stored_at timestamptz not null default now(),
  primary key (user_id, comparison, message_id)
)
-- Grows and shrinks within minutes; plans made for the empty table are slow.
with (autovacuum_analyze_scale_factor = 0.02);

comment on table gmail_sync.compared_message is
'Every id that Gmail lists, of the comparisons in progress.';

create table gmail_sync.label_listing (
  user_id gmail_sync.user_key not null,
  -- Empty in the row that says that the label's list is complete.
  message_id text not null,
  label_id text not null,
  primary key (user_id, message_id, label_id)
)
-- Grows and shrinks within minutes; plans made for the empty table are slow.
with (autovacuum_analyze_scale_factor = 0.02);

comment on table gmail_sync.label_listing is
'The lists of each label''s messages, between the listing of a full sync and its fetches.';

create table gmail_sync.fetch_queue (
  user_id gmail_sync.user_key not null,
  message_id text not null,
  -- NULL where it is not known, and for a message that is to be fetched singly.
  thread_id text,
  reason text not null constraint known_reason check (
    reason in ('listed', 'history', 'raw_backfill', 'refetch')
  ),
  -- Listings come newest first, so the order of arrival is the order of fetching.
  position bigint generated always as identity,
  attempts integer not null default 0 constraint no_attempts_below_zero check (attempts >= 0),
  -- Long ago for a message that need not wait, so that no clock can make it wait.
  not_before timestamptz not null default 'epoch',
  -- A word for programs, NULL where there is none, and a text for people.
  error_code text,
  error_message text,
  dead boolean not null default false,
  primary key (user_id, message_id)
)
-- Grows and shrinks within minutes; plans made for the empty table are slow.
with (autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.05);

comment on table gmail_sync.fetch_queue is
'Messages still to be fetched; dead ones wait for retry_failed_messages.';

create index messages_to_fetch on gmail_sync.fetch_queue (user_id, attempts, position)
  where not dead;
create index messages_given_up on gmail_sync.fetch_queue (user_id) where dead;
create index messages_of_a_thread_to_fetch on gmail_sync.fetch_queue (user_id, thread_id, position)
  where not dead and thread_id is not null;
create index messages_waiting on gmail_sync.fetch_queue (user_id, not_before)
  where not_before > 'epoch';

-- The rows of the queue stay as they are while their messages are fetched.
create table gmail_sync.fetch_batch (
  user_id gmail_sync.user_key not null,
  id bigint generated always as identity,
  task_id text not null,
  message_ids text[] not null,
  primary key (user_id, id)
);

comment on table gmail_sync.fetch_batch is
'Messages that a run fetches now; those of an ended run were lost with it.';

create table gmail_sync.touched (
  user_id gmail_sync.user_key not null,
  message_id text not null,
  bucket text not null constraint known_bucket check (
    bucket in ('new', 'updated', 'unchanged', 'deleted', 'gone', 'failed', 'pending')
  ),
  -- The last bucket but pending: a new message that is fetched once more is still new.
  settled text,
  primary key (user_id, message_id)
)
-- Grows and shrinks within minutes; plans made for the empty table are slow.
with (autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.05);

comment on table gmail_sync.touched is
'The count to which each message of the user''s latest chain of runs belongs.';

create table gmail_sync.worker (
  id uuid primary key,
  started_at timestamptz not null default clock_timestamp(),
  seen_at timestamptz not null default clock_timestamp(),
  version text not null,
  capacity integer not null constraint capacity_is_positive check (capacity > 0),
  living_slots integer not null,
  dropped_log_lines bigint not null,
  constraint slots_live_within_capacity check (living_slots between 0 and capacity),
  constraint no_lines_dropped_below_zero check (dropped_log_lines >= 0)
);

comment on table gmail_sync.worker is
'Workers with their last heartbeat; each chooses its UUID when it starts.';

create table gmail_sync.reaper_beat (
  reaper text primary key constraint known_reaper check (reaper in ('pg_cron', 'service')),
  beat_at timestamptz not null,
  -- When a pass last found that the clock had been set back, and by how much.
  set_back_at timestamptz,
  set_back_by interval
);

comment on table gmail_sync.reaper_beat is 'When each reaper made its last pass.';

-- A new installation is given until the second minute before health misses pg_cron.
insert into gmail_sync.reaper_beat (reaper, beat_at) values ('pg_cron', now() + interval '30 s');

create table gmail_sync.activity (
  bucket timestamptz primary key,
  succeeded bigint not null,
  failed bigint not null,
  reaped bigint not null,
  cancelled bigint not null,
  superseded bigint not null,
  -- Of the runs claimed in the bucket; NULL if there were none.
  queue_median interval,
  queue_p95 interval,
  -- Settled in the bucket by the runs that had ended before counted_to.
  messages double precision not null
);

comment on table gmail_sync.activity is
'What sync_activity has counted already: one row for each bucket in which anything happened.';

create table gmail_sync.activity_state (
  only_row boolean primary key default true constraint activity_state_is_one_row check (only_row),
  bucket interval not null default '30 min',
  -- Buckets that end later are counted at each call.
  counted_to timestamptz not null default '-infinity',
  -- Where counting goes on when all transactions before this one have ended.
  closing_at timestamptz,
  closing_xid xid8
);

comment on table gmail_sync.activity_state is
'How long the buckets of activity are, and up to when runs are counted in them.';

insert into gmail_sync.activity_state default values;

create table gmail_sync.repair_log (
  id bigint generated always as identity primary key,
  logged_at timestamptz not null default clock_timestamp(),
  source text not null,
  task_id text,
  user_id text,
  action text not null constraint known_action check (
    action in ('repaired', 'adopted', 'left_out')
  ),
  -- What an adopted row became: running, or the outcome of a run that has ended.
  outcome text,
  rules text[] not null,
  original jsonb not null,
  constraint adopted_has_an_outcome check ((action = 'adopted') = (outcome is not null))
);

comment on table gmail_sync.repair_log is
'The original of each row that a repair or an adoption handled, with the rules that it broke.';

-- An original is kept once, even if a table is adopted several times.
create unique index originals_are_kept_once
  on gmail_sync.repair_log (source, md5(original::text));
create index originals_of_a_run on gmail_sync.repair_log (source, task_id);

create table gmail_sync.audit_event (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  act text not null constraint known_act check (
    act in (
      'connect_begun', 'connect_answered', 'connected', 'reconnected', 'reauth_required',
      'suspended', 'disconnected', 'deleted', 'keys_rotated', 'operator_read', 'operator_act'
    )
  ),
  user_id text,
  actor text not null,
  role text not null,
  application text not null,
  detail jsonb not null default '{}'
);

comment on table gmail_sync.audit_event is
'Security-relevant acts: the act, its subject (user_id), its actor, its role and application.';

create index audit_by_time on gmail_sync.audit_event (at, id);
create index audit_of_a_user on gmail_sync.audit_event (user_id, at, id);
create index audit_by_actor on gmail_sync.audit_event (actor);
create index audit_of_a_deletion on gmail_sync.audit_event ((detail ->> 'user_hash'))
  where act = 'deleted';

-- What a webhook can report. This is the only list: functions, REST API and page read it.
create type gmail_sync.webhook_event_type as enum (
  'message.created', 'message.updated', 'message.deleted', 'sync.finished', 'sync.failed',
  'account.connected', 'account.reauth_required', 'account.disconnected'
);

-- Nobody may read this table. The secrets are not encrypted: SQL makes them, which has no key, and
-- they open nothing. They only prove who sent an event.
create table gmail_sync.webhook (
  id text primary key,
  -- NULL: events of all users.
  user_id gmail_sync.user_key,
  url text not null constraint webhook_url_is_http check (
    url ~ '^https?://[^\s@]+$' and char_length(url) <= 2000
  ),
  events gmail_sync.webhook_event_type[] not null constraint webhook_wants_events check (
    events <> '{}' and array_position(events, null) is null
  ),
  -- Whether events of messages contain what a list of messages shows.
  with_content boolean not null default false,
  -- The newest comes first. The older ones sign for a day after a rotation.
  secrets text[] not null,
  rotated_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  -- Changes up to this one are older than the webhook.
  starts_after bigint not null,
  -- Since when nothing was accepted.
  failing_since timestamptz,
  disabled_at timestamptz,
  disabled_reason text,
  constraint disabled_says_why check ((disabled_at is null) = (disabled_reason is null))
);

comment on table gmail_sync.webhook is
'Addresses that receive events, of one user or of all.';

create index webhooks_of_a_user on gmail_sync.webhook (user_id);

-- Events of messages need no outbox: gmail_sync.message says what changed after a change number,
-- however long nobody asked. A position in that costs a store one row, keeps no second copy, and
-- can be set back. The event that is being sent is kept, so that each attempt sends the same.
create table gmail_sync.webhook_stream (
  webhook_id text not null references gmail_sync.webhook on delete cascade,
  -- Empty for events of no user.
  user_id text not null,
  -- Changes up to this one have arrived.
  change_number bigint not null,
  -- The last change of the user.
  latest bigint not null default 0,
  -- Since when there is an event to send. NULL: there is none, or the webhook is disabled.
  waiting_since timestamptz,
  -- When the next attempt is due, or the lease of this one lapses. NULL: it can be sent now.
  due_at timestamptz,
  lease uuid,
  event_id text,
  event_type text,
  event_body jsonb,
  -- The last change that the event reports.
  event_number bigint,
  -- The queued event that it is; NULL for an event of messages.
  queued_id bigint,
  attempts integer not null default 0,
  first_attempt_at timestamptz,
  -- That of the webhook when the event was first refused: a later one means a success since.
  failing_since timestamptz,
  primary key (webhook_id, user_id),
  constraint attempt_has_an_event check (due_at is null or waiting_since is not null),
  constraint lease_lapses check (lease is null or due_at is not null)
)
-- Room for the updates of a row to stay on their page (HOT).
with (fillfactor = 50);

comment on table gmail_sync.webhook_stream is
'The events of one user to one webhook, in order: what has arrived, and what is being sent.';

-- A claim goes from webhook to webhook here, so it reads no stream that has to wait.
create index streams_ready on gmail_sync.webhook_stream (webhook_id, waiting_since)
  where waiting_since is not null and due_at is null;
create index streams_due on gmail_sync.webhook_stream (due_at) where due_at is not null;
create index streams_waiting on gmail_sync.webhook_stream (waiting_since)
  where waiting_since is not null;
create index streams_of_a_user on gmail_sync.webhook_stream (user_id);
create index streams_leased on gmail_sync.webhook_stream (webhook_id, lease)
  where lease is not null;

create table gmail_sync.webhook_event (
  id bigint generated always as identity primary key,
  webhook_id text not null references gmail_sync.webhook on delete cascade,
  user_id text not null,
  event_id text not null default 'msg_' || replace(gen_random_uuid()::text, '-', ''),
  type text not null,
  data jsonb not null,
  -- The user's changes up to this one are reported before.
  change_number bigint not null,
  created_at timestamptz not null default clock_timestamp()
);

comment on table gmail_sync.webhook_event is
'The outbox: events of runs and accounts, until they have arrived.';

create index events_of_a_stream on gmail_sync.webhook_event (webhook_id, user_id, id);
create index events_of_a_user on gmail_sync.webhook_event (user_id);
create index events_by_time on gmail_sync.webhook_event (created_at);

create table gmail_sync.webhook_delivery (
  id bigint generated always as identity primary key,
  webhook_id text not null references gmail_sync.webhook on delete cascade,
  user_id text not null,
  event_id text not null,
  type text not null,
  attempt integer not null,
  ended_at timestamptz not null default clock_timestamp(),
  duration interval not null,
  -- NULL when there was no answer.
  http_status integer,
  -- NULL when the event was accepted.
  error_message text
);

comment on table gmail_sync.webhook_delivery is
'The history of attempts to deliver events.';

create index deliveries_of_a_webhook on gmail_sync.webhook_delivery (webhook_id, id);
create index deliveries_of_a_user on gmail_sync.webhook_delivery (user_id);
create index deliveries_by_time on gmail_sync.webhook_delivery (ended_at);

-- The history is pruned, so it cannot be counted.
create table gmail_sync.webhook_count (
  outcome text primary key,
  deliveries bigint not null default 0
);

comment on table gmail_sync.webhook_count is
'How many attempts to deliver events ended so, since the installation.';

insert into gmail_sync.webhook_count (outcome) values ('accepted'), ('refused'), ('unanswered');

grant usage on schema gmail_sync
  to gmail_sync_app, gmail_sync_reader, gmail_sync_service, gmail_sync_dba;
