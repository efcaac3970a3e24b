"""`/v1/coins/{coin}/indicators`: figures over bars in a row."""
