"""`/v1/coins/{coin}/venues`: one coin over the exchanges."""
