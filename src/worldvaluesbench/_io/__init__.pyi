from ._delimited import split_header as split_header, split_line as split_line
from ._folder import (
    MANIFEST as MANIFEST, OwnFile as OwnFile, check_destination as check_destination,
    check_file_destination as check_file_destination, check_files as check_files, file_facts as file_facts,
    kind_of as kind_of, manifest_of as manifest_of, new_file as new_file, new_folder as new_folder,
    parse_json as parse_json, read_manifest as read_manifest, reason_of as reason_of, write_json as write_json,
    write_manifest as write_manifest,
)
from ._interrupt import interruptible as interruptible
from ._measure import check_fits as check_fits, memory_size as memory_size, parquet_size as parquet_size
from ._names import (
    FORMULA as FORMULA, check_name as check_name, find_twice as find_twice, name_key as name_key,
    name_problem as name_problem, printable as printable, quoted as quoted,
)
