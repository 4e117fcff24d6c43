"""RDS: DB instances with database servers behind them."""
