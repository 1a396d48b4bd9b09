"""The pages under `/ui`: at the wire, in a browser, and what keeps them small and safe."""
