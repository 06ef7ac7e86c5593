"""`gmail-sync demo`: the whole system on one machine, with a private Postgres and a simulator."""
