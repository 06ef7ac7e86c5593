-- Messages that were given up. Those of users whom another node lists are left out: a move copies
-- them before it leads the users there.

create or replace view gmail_sync._dead_letter as
select q.*
from gmail_sync.fetch_queue q
where q.dead
  and gmail_sync._user_slot(q.user_id)
    <> all (array(select slot from gmail_sync.slot_elsewhere where not is_listed));

comment on view gmail_sync._dead_letter is
'Messages that were given up, of users of this node.';
