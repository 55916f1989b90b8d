"""What happens to a row: read, checked, encoded, written; one stage, nothing held."""
