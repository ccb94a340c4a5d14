from ._export import (
    BatchFiles as BatchFiles, BatchLimits as BatchLimits, BatchModel as BatchModel, batch_model_of as batch_model_of,
    export_batch as export_batch,
)
from ._import import BatchImport as BatchImport, import_batch as import_batch
