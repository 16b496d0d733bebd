"""Drop-in adapters for other libraries' interfaces: thin, without scheduling of their own."""
