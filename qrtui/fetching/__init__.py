"""Brings files onto this machine, in child processes that can be stopped: from Python packages and from the hub."""
