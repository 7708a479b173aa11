"""What differs between the servers of different vendors, as data."""
