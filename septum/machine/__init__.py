"""What has this computer? Reads, never changes; live, or replayed from a capture."""
