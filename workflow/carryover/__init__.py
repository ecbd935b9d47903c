"""How far a language model pretrained on English carries over to other languages."""
