"""Tools for work on the page; no part of what runs."""
