-- The periods that a search reads at first (see _search_split), newest first. They are the month of
-- the newest message, the month before it, and all mail before that. A common word fills a page in
-- the two months. Without an index, one walk reads all. None where there is no message p_before.

create or replace function gmail_sync._search_periods(
  p_user_id text, p_part jsonb, p_index text, p_before text
)
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'period', p.period, 'since', p.since, 'until', p.until, 'until_id', p.until_id
      )
      order by p.until desc, p.until_id desc
    ),
    '[]'
  )
  from gmail_sync._search_bounds(p_user_id, p_part, p_before) b
  cross join lateral (
    select date_trunc(
      'month',
      -- With an id, messages of the very moment are still to be read.
      (b.until - case b.until_id when '' then interval '1 microsecond' else '0' end)
        at time zone 'UTC'
    )
  ) l (month)
  cross join lateral (
    select greatest(l.month at time zone 'UTC', b.since),
      greatest((l.month - interval '1 month') at time zone 'UTC', b.since)
  ) m (last, before)
  cross join lateral (
    values
      ('walk', p_index is null, b.since, b.until, b.until_id),
      ('month', p_index is not null, m.last, b.until, b.until_id),
      ('month', p_index is not null, m.before, m.last, ''),
      ('all', p_index is not null, b.since, m.before, '')
  ) p (period, is_read, since, until, until_id)
  where p.is_read and (p.since < p.until or p.until_id <> '');
$$;

comment on function gmail_sync._search_periods(text, jsonb, text, text) is
'The periods that a search reads at first, newest first.';

revoke all on function gmail_sync._search_periods(text, jsonb, text, text) from public;
