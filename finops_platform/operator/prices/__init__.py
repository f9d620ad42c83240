"""The operator's pages of list prices: sources, changes to decide on, history."""
