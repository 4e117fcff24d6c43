"""`dbrestore doctor` and `dbrestore worker-config`: everything a restore leans on, examined without changing anything."""
