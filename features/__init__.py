"""From a directory of records to point-in-time features, labels and cohorts."""
