"""`make bench`: how close each step comes to what the machine can do, as ratios measured in one run."""
