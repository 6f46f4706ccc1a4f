"""Is it there? Decides what one instance finds when it looks around."""
