"""What lies in files: one small reader each, from bytes to rows."""
