"""Commands that list names: datasets and presets."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


def datasets() -> None:
    """List the datasets that have a name, and the other forms of DATA."""
    from condgen.data import BUILTIN, PUBLISHED
    from condgen.data.readers import READERS
    from condgen.data.readers.hub import USAGE

    print("Built in:")
    for name, entry in BUILTIN.items():
        print(f"  {name:14} {entry.description}")
    print("\nDownloaded on first use, or read from a local copy (--data-dir):")
    for name, published in PUBLISHED.items():
        print(f"  {name:14} {published.description}")
    print("\nDATA can also be:")
    for reader in READERS.values():
        print(f"  {reader.description};")
    print(f"  {USAGE},")
    print("  or any of these files and folders in a store: s3://…, gs://…, https://… (pip install 'condgen[remote]').")
    print("A schema.json beside the data is used instead of an inferred schema.")


def presets() -> None:
    """List the presets, with their expected result and time."""
    from condgen.presets import PRESETS

    width = max(map(len, PRESETS))
    for name, preset in PRESETS.items():
        settings = ", ".join(f"{k}={v}" for k, v in preset.items() if k not in ("model", "expect"))
        print(f"{name:{width}} {preset['model']}: {settings}\n{'':{width}} {preset['expect']}")
