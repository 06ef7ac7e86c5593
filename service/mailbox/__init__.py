"""A user's mailbox, opened with the account's credentials."""
