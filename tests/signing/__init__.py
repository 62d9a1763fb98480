"""How seals and evidence hold: judged by programs that share no code with ours."""
