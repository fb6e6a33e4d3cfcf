"""The lake: what the tables are, where they live, and which clock they follow."""
