"""Who owns what? The partition table, its rules, its file."""
