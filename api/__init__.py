"""HTTP and GraphQL: the only place that knows a request."""
