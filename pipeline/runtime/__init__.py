"""What drives Beam, and mends it: files, runners, workers, coders, progress."""
