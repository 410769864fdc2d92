"""What `soak.py` is made of: a program under test, what is done to it, and what is looked at meanwhile."""
