"""The correlation agent: closes in, rows and matrices of correlations out."""
