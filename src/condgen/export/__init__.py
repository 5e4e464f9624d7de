"""The forms in which a trained model leaves condgen, one file each. `condgen.runs.exporting` lists them."""
