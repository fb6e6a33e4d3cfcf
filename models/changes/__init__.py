"""Why a list is not what it was: two days made again, step by step, and held against each other."""
