"""What may an instance's process still do once it runs? Decisions; host/confinement.py acts."""
