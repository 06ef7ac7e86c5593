"""A user's mailbox outside of runs: content on demand, export, verification."""
