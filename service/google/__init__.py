"""Google accounts: consent, credentials and their encryption."""
