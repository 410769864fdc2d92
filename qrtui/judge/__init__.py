"""S3: is a completion right? Untrusted code runs in sandboxed child processes and never sees the answers."""
