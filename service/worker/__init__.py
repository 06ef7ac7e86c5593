"""Claims and executes runs: reads from Gmail, writes through function calls."""
