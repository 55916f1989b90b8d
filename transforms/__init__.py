"""What is computed on label maps and images; all of it travels to serving."""
