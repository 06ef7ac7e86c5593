-- What the user did as an operator lies at the nodes of others. Nothing is deleted unless each node
-- answers. If one fails then, the deletion can be asked for again.
declare
  v_node integer := gmail_sync_router.node_of(p_user_id);
  v_deleted boolean;
begin
  perform gmail_sync_router.schema_version(n.node)
  from gmail_sync_route.node n
  where n.node <> v_node;
  v_deleted := gmail_sync_router.delete_account(
    v_node, p_user_id, p_expected_credentials, session_user::text,
    current_setting('application_name')
  );
  if v_deleted is not null then
    select v_deleted or coalesce(bool_or(f.had_acts), false)
    into v_deleted
    from gmail_sync_route.node n
    cross join lateral gmail_sync_router.forget_actor(n.node, p_user_id) f (had_acts)
    where n.node <> v_node;
  end if;
  return v_deleted;
end;
