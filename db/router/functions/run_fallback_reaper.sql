return (select sum(a.answer) from gmail_sync_router.ask_run_fallback_reaper() a);
