"""The commands, by what they are about. Nothing heavy is imported until a command needs it."""
