"""Which of several ways of generating is the fastest on this machine, found by trying."""
