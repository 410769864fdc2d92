"""How the next token of every open sequence is made: where keys and values are held, how a pass is started."""
