"""The data plane: the program that runs on the EC2 worker, one job per call (`python -m dbrestore.worker JOB_URI`).

    __main__ -> run_job -> postgresql   replay (rows/, rights/), verification (checks/), promotion, discard
                        -> sqlserver    restore, verification, discard: RDS does the work, the worker submits and follows
                           base         the job's folder in S3, its lock and progress, the master secret; `limits` has every number

The job's documents are in `dbrestore.contract.job`.
"""
