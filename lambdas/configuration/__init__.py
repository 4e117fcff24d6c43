"""The files of an installation's configuration, deployed with the functions."""
