-- The part of a search that an operator and its value ask for (from:ann), or words without one
-- (operator NULL). NULL where the operator has no such value.

create or replace function gmail_sync._search_operator(
  p_user_id text, p_operator text, p_value text, p_time_zone text
)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_value text := lower(p_value collate "C");
  v_kinds text[];
  v_label_id text;
begin
  v_kinds := case p_operator
    when 'subject' then array['s']
    when 'from' then array['f']
    -- As Gmail's: all recipients.
    when 'to' then array['t', 'c', 'b']
    when 'cc' then array['c']
    when 'bcc' then array['b']
    when 'deliveredto' then array['d']
    when 'list' then array['l']
    when 'filename' then array['n']
  end;
  if p_operator is null then
    return gmail_sync._search_words(p_user_id, array['.'], p_value);
  elsif v_kinds is not null then
    if v_value = 'me' then
      select a.email into p_value from gmail_sync.account a where a.user_id = p_user_id;
    end if;
    return gmail_sync._search_words(p_user_id, v_kinds, p_value);
  elsif p_operator in ('after', 'newer', 'newer_than', 'before', 'older', 'older_than') then
    return gmail_sync._search_time(p_operator, p_value, p_time_zone);
  elsif p_operator in ('size', 'larger', 'larger_than', 'smaller', 'smaller_than') then
    return gmail_sync._search_size(p_user_id, p_operator, p_value);
  elsif p_operator = 'rfc822msgid' then
    v_value := left(md5(btrim(p_value, '<>')), 16);
    return gmail_sync._search_fact(p_user_id, 'words', 'id' || v_value);
  elsif p_operator = 'has' then
    return case v_value
      when 'attachment' then gmail_sync._search_fact(p_user_id, 'words', 'attachment')
      when 'userlabels' then gmail_sync._search_fact(p_user_id, 'labels', 'own')
      when 'nouserlabels'
        then gmail_sync._search_not(gmail_sync._search_fact(p_user_id, 'labels', 'own'))
    end;
  elsif p_operator = 'in' and v_value = 'anywhere' then
    return jsonb_build_object('sql', 'true', 'shows_hidden', true);
  elsif p_operator = 'in' and v_value = 'archive' then
    v_value := '-{in:inbox in:sent in:draft}';
    return (select p.part from gmail_sync._parse_search(p_user_id, v_value, p_time_zone) p);
  elsif p_operator = 'is' and v_value = 'read' then
    return gmail_sync._search_not(gmail_sync._search_label(p_user_id, 'UNREAD'));
  end if;

  v_label_id := case
    when p_operator in ('in', 'is', 'label')
      and v_value in ('inbox', 'sent', 'trash', 'spam', 'unread', 'starred', 'important')
      then upper(v_value collate "C")
    when p_operator in ('in', 'is', 'label') and v_value in ('draft', 'drafts') then 'DRAFT'
    when p_operator = 'category' and v_value = 'primary' then 'CATEGORY_PERSONAL'
    when p_operator = 'category' and v_value in ('social', 'promotions', 'updates', 'forums')
      then 'CATEGORY_' || upper(v_value collate "C")
    when p_operator in ('label', 'in') then gmail_sync._find_label(p_user_id, p_value)
  end;
  return case
    when v_label_id is not null then gmail_sync._search_label(p_user_id, v_label_id)
  end;
end;
$$;

comment on function gmail_sync._search_operator(text, text, text, text) is
'The part of a search that an operator and its value ask for.';

revoke all on function gmail_sync._search_operator(text, text, text, text) from public;
