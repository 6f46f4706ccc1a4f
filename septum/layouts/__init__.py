"""What did others define? One file a specification; the only place for hexadecimal."""
