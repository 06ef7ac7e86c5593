"""Mail as it was sent: text, parts and headers, read from Gmail's answers."""
