"""Schedule expressions as EventBridge Scheduler reads them: when they start something, on which clock, and what that is in words."""
