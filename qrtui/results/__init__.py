"""What was found: the database, the numbers made from it, and the reports."""
