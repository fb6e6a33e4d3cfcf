"""From the `lists` table to Redis: assembling, room, versions, loading, verifying."""
