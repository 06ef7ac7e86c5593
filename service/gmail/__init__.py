"""Gmail: the client, its errors, the stored credentials and the message parser."""
