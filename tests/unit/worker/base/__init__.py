"""Tests of dbrestore.worker.base."""
