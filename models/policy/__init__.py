"""What may be shown, and in which order: pure functions over the arrays of ranked candidates."""
