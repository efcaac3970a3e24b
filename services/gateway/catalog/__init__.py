"""`/v1/catalog`: what there is."""
