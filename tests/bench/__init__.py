"""`make bench`: what Headrace costs, beside what others cost for the same streams."""
