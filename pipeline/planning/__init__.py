"""From names to units of work: what a conversion will read, cut and write."""
