#!/usr/bin/env python3
"""Writes the files here that only other libraries can write: needs pandas, pyarrow and numpy."""

import decimal
import pathlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

here = pathlib.Path(__file__).parent
rows = range(1200)

frame = pd.DataFrame(
    {
        "whole": pd.array([None if i % 10 == 3 else i - 5 for i in rows], dtype="Int64"),
        "real": [np.nan if i % 7 == 2 else i / 4 for i in rows],
        "single": np.arange(1200, dtype="float32") / 8,
        "small": np.arange(1200).astype("uint8"),
        "flag": [i % 2 == 0 for i in rows],
        "word": [None if i % 5 == 4 else ["red", "green", "blue"][i % 3] for i in rows],
        "class": [["x", "y"][i % 2] for i in rows],
    }
)
table = pa.Table.from_pandas(frame, preserve_index=False)
quarters = pa.array([decimal.Decimal(i) / 4 for i in rows], pa.decimal128(9, 2))
table = table.append_column("decimal", quarters)
table = table.append_column("list", pa.array([[i, i] for i in rows]))
for codec in ["snappy", "zstd"]:
    pq.write_table(
        table,
        here / f"{codec}.parquet",
        row_group_size=1100,
        compression=codec,
        store_decimal_as_integer=True,
    )

np.savez_compressed(
    here / "numpy.npz",
    x=np.arange(24, dtype="uint8").reshape(4, 2, 3),
    y=np.array([3, 1, 3, 2]),
    fortran=np.asfortranarray(np.arange(6.0).reshape(2, 3)),
)
