"""Septum: a partitioning virtual machine monitor. One computer, several unmodified OSes."""

__version__ = "0.1.0"
