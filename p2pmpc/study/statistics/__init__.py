"""Each statistic from opened totals alone: exact integers until the first division, floats behind it."""
