"""Where lists come from: from a version in Redis back to the shop's files, by what every step left on record."""
