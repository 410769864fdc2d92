"""The translators of the sentence attack: English to another language and back, and translations that are known."""
