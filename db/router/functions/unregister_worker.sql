perform from gmail_sync_router.ask_unregister_worker(p_worker);
