"""The pages' blocks of commands, run as they stand: against a real gateway, beside scripted engines and providers, in a
network namespace that has nothing but this machine."""
