"""A trial: several replicas read a sample of an owner's own pages, and are compared by quality, price and time."""
