"""Restore scripts as people write them for RDS: the same statements in the same order as public ones, in words of our own.

SWAP: a DBA's script for sqlcmd: the database in use is renamed away, a new one restored and polled for, the old one dropped or renamed
back.
COLLECT: a procedure's body: what RDS returns goes into a table variable, the loop looks there, progress is told by RAISERROR.
TEMPORARY: a self-service tool's: restored under a name with the time, polled with a limit, what happened is returned as rows.
"""

import re

SWAP = r"""
SET NOCOUNT ON;
USE master;

-- What to restore, and from where
DECLARE @db      sysname       = N'$(db)';
DECLARE @stage   nvarchar(10)  = N'staging';
DECLARE @folder  nvarchar(200) = @db;
DECLARE @parked  sysname       = @db + N'_parked';
DECLARE @arn     nvarchar(1000) = N'arn:aws:s3:::' + @stage + N'/' + @folder + N'/' + N'$(file)';

IF DB_ID(@db) IS NULL
BEGIN
    RAISERROR('%s is not on this server (%d databases are).', 16, 1, @db, 5);
    RETURN;
END

DECLARE @count int;
DECLARE @query nvarchar(max) = N'SELECT @c = COUNT(*) FROM sys.databases WHERE name = @n;';
EXEC sp_executesql @query, N'@n sysname, @c int OUTPUT', @n = @db, @c = @count OUTPUT;
PRINT 'Found ' + CAST(@count AS varchar) + ' database named [' + @db + ']';
PRINT 'Source: ' + @arn;

DECLARE @cdc bit = (SELECT is_cdc_enabled FROM sys.databases WHERE name = @db);
PRINT 'CDC: ' + CASE WHEN @cdc = 1 THEN 'on' ELSE 'off' END;

DECLARE @alter nvarchar(max) = N'ALTER DATABASE ' + QUOTENAME(@db) + N' SET SINGLE_USER WITH ROLLBACK IMMEDIATE;';
EXEC (@alter);
EXEC rdsadmin.dbo.rds_modify_db_name @db, @parked;

EXEC msdb.dbo.rds_restore_database
     @restore_db_name        = @db,
     @s3_arn_to_restore_from = @arn;

DECLARE @task int = (
    SELECT TOP 1 task_id FROM msdb.dbo.rds_fn_task_status(NULL, 0)
    WHERE database_name = @db AND task_type = 'RESTORE_DB' ORDER BY task_id DESC);

DECLARE @state nvarchar(50), @waited int = 0;
WHILE (1 = 1)
BEGIN
    SET @state = (SELECT lifecycle FROM msdb.dbo.rds_fn_task_status(NULL, 0) WHERE task_id = @task);
    IF @state = 'SUCCESS' BREAK;
    IF @state = 'ERROR'
    BEGIN
        PRINT 'RDS could not restore it.';
        BREAK;
    END
    WAITFOR DELAY '00:00:10';
    SET @waited += 10;
END
PRINT 'Task ' + CAST(@task AS varchar) + ': ' + ISNULL(@state, 'unknown') + ' after ' + CAST(@waited AS varchar) + ' s';

IF @state = 'SUCCESS' AND DB_ID(@db) IS NOT NULL
BEGIN
    IF @cdc = 1
    BEGIN
        EXEC msdb.dbo.rds_cdc_disable_db @parked;
    END

    EXEC msdb.dbo.rds_drop_database @parked;
    PRINT 'Dropped ' + @parked;
END
ELSE
BEGIN
    PRINT 'Back to the old one: ' + @parked + ' -> ' + @db;
    IF DB_ID(@parked) IS NOT NULL
    BEGIN
        IF DB_ID(@db) IS NOT NULL EXEC msdb.dbo.rds_drop_database @db;
        EXEC rdsadmin.dbo.rds_modify_db_name @parked, @db;
        SET @alter = N'ALTER DATABASE ' + QUOTENAME(@db) + N' SET MULTI_USER;';
        EXEC (@alter);
        PRINT 'In service again.';
    END
    ELSE
        PRINT @parked + ' is gone.';
END
GO
SELECT name, state_desc, user_access_desc FROM sys.databases WHERE database_id > 5
GO
"""

COLLECT = r"""
SET NOCOUNT ON
DECLARE @DB sysname, @Arn nvarchar(4000), @Cmd nvarchar(300)
SELECT @DB = '$(db)', @Arn = 'arn:aws:s3:::staging/$(file)'

RAISERROR(N'Restoring "%s" from "%s"', 0, 1, @DB, @Arn) WITH NOWAIT;
SET @Cmd = 'msdb.dbo.rds_restore_database';

DECLARE @Tasks table
(
    task_id int NULL, task_type sysname NULL, database_name sysname NULL, done_percent int NULL, minutes int NULL, lifecycle sysname NULL,
    task_info nvarchar(MAX) NULL, last_updated datetime NULL, created_at datetime NULL, S3_object_arn nvarchar(4000) NULL,
    overwrite_s3_backup_file tinyint NULL, KMS_master_key_arn nvarchar(4000) NULL, filepath nvarchar(max) NULL, overwrite_file tinyint NULL
)

BEGIN TRY
    INSERT INTO @Tasks
    (task_id, task_type, lifecycle, created_at, last_updated, database_name, S3_object_arn, overwrite_s3_backup_file, KMS_master_key_arn,
     done_percent, task_info)
    EXEC @Cmd @restore_db_name = @DB, @s3_arn_to_restore_from = @Arn

    SET @Cmd = 'msdb.dbo.rds_task_status'
    WHILE EXISTS (SELECT NULL FROM @Tasks WHERE database_name = @DB AND task_type = 'RESTORE_DB'
                  AND lifecycle NOT IN ('SUCCESS', 'ERROR') AND done_percent < 100)
    BEGIN
        DELETE FROM @Tasks;
        INSERT INTO @Tasks EXEC @Cmd @db_name = @DB;
    END

    DECLARE @Info nvarchar(MAX);
    SELECT @Info = task_info FROM @Tasks WHERE database_name = @DB AND task_type = 'RESTORE_DB' AND lifecycle = 'ERROR'
    IF @Info IS NOT NULL
        RAISERROR(N'RDS says: %s', 16, 1, @Info);
    ELSE
        ALTER DATABASE $(db) SET RECOVERY SIMPLE WITH NO_WAIT;
END TRY
BEGIN CATCH
    PRINT 'Failed with ' + CONVERT(varchar(10), ERROR_NUMBER()) + ': ' + ERROR_MESSAGE();
    THROW;
END CATCH

SELECT TOP 1 database_name, backup_start_date, type FROM msdb.dbo.backupset WHERE type = 'D' ORDER BY backup_start_date DESC
"""

TEMPORARY = r"""
DECLARE @key NVARCHAR(500) = 's3://staging/$(file)';
DECLARE @name NVARCHAR(128) = '$(db)' + '_restore_' + FORMAT(GETDATE(), 'yyyyMMdd_HHmmss');
DECLARE @arn NVARCHAR(500);
DECLARE @task INT;
DECLARE @life NVARCHAR(50);
DECLARE @info NVARCHAR(MAX);
DECLARE @polls INT = 0;
DECLARE @most INT = 180; -- half an hour
DECLARE @said TABLE (line NVARCHAR(MAX));

SET @arn = 'arn:aws:s3:::' + SUBSTRING(@key, 6, LEN(@key) - 5);
INSERT INTO @said VALUES ('From ' + @arn + ' into [' + @name + ']');

EXEC msdb.dbo.rds_restore_database
  @restore_db_name = @name,
  @s3_arn_to_restore_from = @arn;

SELECT TOP 1 @task = task_id
FROM msdb.dbo.rds_fn_task_status(NULL, 0)
WHERE database_name = @name
ORDER BY task_id DESC;

IF @task IS NULL
BEGIN
  RAISERROR('No task for %s', 16, 1, @name);
  SELECT * FROM @said;
  RETURN;
END
INSERT INTO @said VALUES ('Task ' + CAST(@task AS NVARCHAR(20)));

WHILE @polls < @most
BEGIN
  SELECT @life = lifecycle, @info = task_info
  FROM msdb.dbo.rds_fn_task_status(NULL, @task);

  IF @life = 'SUCCESS'
  BEGIN
    INSERT INTO @said VALUES ('Done');
    BREAK;
  END

  IF @life IN ('ERROR', 'CANCELLED')
  BEGIN
    INSERT INTO @said VALUES ('Failed: ' + ISNULL(@info, 'no reason'));
    IF DB_ID(@name) IS NOT NULL
    BEGIN
      EXEC('DROP DATABASE [' + @name + ']');
      INSERT INTO @said VALUES ('Cleaned up');
    END
    BREAK;
  END

  SET @polls = @polls + 1;
  WAITFOR DELAY '00:00:10';
END

IF @polls >= @most INSERT INTO @said VALUES ('Gave up');
SELECT line FROM @said;
"""


def batches(script: str, **values: str) -> list[str]:
    """As sqlcmd sends a script: `$(name)` is filled in, and a line with GO alone ends a batch."""
    for name, value in values.items():
        script = script.replace(f"$({name})", value)
    return [batch for batch in re.split(r"(?im)^[ \t]*GO[ \t]*$", script) if batch.strip()]
