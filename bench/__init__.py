"""What p2pmpc costs, against other ways to the same sum; ``python -m bench`` measures all of it."""
