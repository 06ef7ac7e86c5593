drop schema gmail_sync cascade;
