"""What travels: one msgspec struct family a file."""
