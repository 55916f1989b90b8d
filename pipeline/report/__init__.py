"""Pictures and pages of a dataset, for people to look at."""
