"""Many studies of one data set by one command; ``docs/studies.md`` lists them."""
