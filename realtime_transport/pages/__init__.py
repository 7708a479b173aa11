"""Pages to look at: self-contained HTML files that open without a network."""
