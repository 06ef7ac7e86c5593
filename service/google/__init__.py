"""Google accounts: consent, credentials, and clients made of them."""
