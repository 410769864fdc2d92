"""The rooms of the app, a screen each, and its dialogs."""
