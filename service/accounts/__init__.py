"""Accounts: connecting, disconnecting, and their credentials."""
