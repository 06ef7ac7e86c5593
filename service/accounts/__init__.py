"""Accounts: connecting, disconnecting, and credentials in use."""
