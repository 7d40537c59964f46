"""In-memory stand-ins behind `worker.ports`, held to the contract suites that the real adapters pass."""
