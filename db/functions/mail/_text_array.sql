create or replace function gmail_sync._text_array(p_array jsonb)
returns text[]
language plpgsql
immutable
as $$
begin
  return array(select jsonb_array_elements_text(coalesce(p_array, '[]')));
end;
$$;

comment on function gmail_sync._text_array(jsonb) is
'A JSON array of strings as an array of text.';

revoke all on function gmail_sync._text_array(jsonb) from public;
