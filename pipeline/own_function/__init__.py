"""The user's own function of TF Transform: found, traced, analysed, saved."""
