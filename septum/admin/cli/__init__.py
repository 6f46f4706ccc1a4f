"""What do people type? One file a command."""
