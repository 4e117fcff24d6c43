"""Signed webhooks: who really sent them, whether they concern us, and the request that they become. Nothing is planned or awaited here."""
