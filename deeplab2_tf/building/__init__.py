"""Builds the record files of a data set: in parallel, resumable, with an account."""
