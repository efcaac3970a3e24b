"""One table of features out of the archive: what was known at each time, and what came after."""
