"""The forms of exported models, one file each. `condgen.runs.exporting` lists them."""
