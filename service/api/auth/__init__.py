"""Who asks: tokens, cookies, keys, and what browsers may do."""
