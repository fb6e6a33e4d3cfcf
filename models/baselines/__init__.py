"""What a shop does without us, as full rankings: the opponents of every evaluation."""

from models.baselines.light import BASELINES, ListMaker, Lists, own_items, popular

__all__ = ["BASELINES", "ListMaker", "Lists", "own_items", "popular"]
