"""The data plane: the program that runs on the EC2 worker, one job per call (`python -m dbrestore.worker JOB_URI`).

    __main__ -> run_job -> replay        archive, foreseen, temporary_database, extensions, extension_rows; statements;
                                         left_out; table_tasks, loading, post_data, scheduling; growth (bounds all of it)
                        -> verification  data_checks, structure_checks, ownership, grants, promotion
                        -> discard       temporary_database

The job's documents are in `job` and travel through `job_folder`; `session` opens every connection; `limits` has every number.
"""
