"""One file a peer: how it is used well for each job, in its own words."""
