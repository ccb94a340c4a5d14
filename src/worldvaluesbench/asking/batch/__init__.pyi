from ._files import (
    BatchFiles as BatchFiles, BatchLimits as BatchLimits, BatchModel as BatchModel, batch_model_of as batch_model_of,
    export_batch as export_batch,
)
from ._importing import BatchImport as BatchImport, import_batch as import_batch
