"""Where a party's rows come from, and what is computed of them at home."""
