"""A page for the shop's staff: a shopper's history and list side by side, items, versions, and why lists change."""
