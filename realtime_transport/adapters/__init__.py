"""Other frameworks' agents on the transports of this package. Each adapter has its module, and its extra.

Nothing is imported here: an adapter loads its framework when it is imported itself.
"""
