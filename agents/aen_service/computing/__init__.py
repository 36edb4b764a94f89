"""Questions of clients that take computing: answered in processes of their own, in bounded time."""
