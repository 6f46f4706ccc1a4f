"""How is an instance run? One folder a platform."""
