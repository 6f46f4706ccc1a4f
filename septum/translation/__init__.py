"""May it do that? Verdicts, leases, revocation."""
