"""What an instance finds when it looks around the computer: buses, chipset, ports."""
