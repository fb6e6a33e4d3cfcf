"""A made-up shop with a planted truth: what the pipeline should find is known, because it was put there."""
