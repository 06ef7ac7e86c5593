"""The database: calls of stored functions, notifications and errors."""
