"""Generated databases, restored by the product and compared with the original by code that shares nothing with it."""
