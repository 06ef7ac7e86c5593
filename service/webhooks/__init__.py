"""Sends events to webhooks, as Standard Webhooks lays down; the database says which and when."""
