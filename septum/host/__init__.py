"""How is a thing taken from Linux and given back? Every change has its undo."""
