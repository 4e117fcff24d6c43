"""The data plane: the program that runs on the EC2 worker, one job per call (`python -m worker JOB_URI`).

    __main__ -> run_job -> replay        archive, temporary_database, extensions, pg_restore, scheduling + loading
                        -> verification  data_checks, structure_checks, ownership, grants, promotion
                        -> discard       temporary_database

The job's documents are in `job` and travel through `job_folder`; `session` opens every connection; `limits` has every number.
"""
