"""Claims runs and carries them out: Gmail in, function calls out."""
