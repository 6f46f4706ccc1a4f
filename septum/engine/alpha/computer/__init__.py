"""The computer around the processors: hoses, chips, devices, firmware. Knows no instance."""
