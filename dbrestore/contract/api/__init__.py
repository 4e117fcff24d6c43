"""What the HTTP API answers: one model per document. What it takes is the request that the state machine takes."""
