"""The reader's side: what is in Redis and how to ask for it. Needs the standard library and redis-py only."""
