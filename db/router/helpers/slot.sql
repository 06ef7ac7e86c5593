-- The slot of a user: the remainder by which Postgres parts a table by hash of a text into 64. So
-- functions and views always agree. Slot 0 for NULL, whose node refuses it.

create function gmail_sync_router.slot(p_user_id text)
returns integer
language sql
immutable
parallel safe
as $$
  -- The seed is Postgres' HASH_PARTITION_SEED; 35 is what combining one hash with nothing adds.
  select coalesce((((hashtextextended(p_user_id, 8816678312871386365) & 63) + 35) & 63)::integer, 0);
$$;
