"""gmail-sync: a self-hosted Gmail sync that lives in Postgres."""
