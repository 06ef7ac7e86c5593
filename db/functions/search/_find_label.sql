-- The id of a label by its name as people see it or type it. Case, accents and the signs between
-- words do not count: work-clients is Work/Clients. NULL where there is none.

create or replace function gmail_sync._find_label(p_user_id text, p_name text)
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select l.label_id
  from gmail_sync.label l
  cross join lateral (
    select array_agg(
      btrim(regexp_replace(
        gmail_sync._fold_text(v.name) collate "C", E'[\\s/\\\\&()."''_-]+', '-', 'g'
      ), '-')
      order by v.n
    )
    from (values (1, l.name), (2, p_name)) v (n, name)
  ) f (names)
  where l.user_id = p_user_id
    and (f.names[1] = f.names[2] or l.label_id = p_name)
  -- The name exactly as typed goes first.
  order by l.name = p_name desc, l.label_id
  limit 1;
$$;

comment on function gmail_sync._find_label(text, text) is
'The id of a label by its name as people type it.';

revoke all on function gmail_sync._find_label(text, text) from public;
