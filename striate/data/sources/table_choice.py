"""Which of the tables in a folder, if any, says what its pictures are."""

from striate.data.sources.folders import SPLIT_NAMES, is_picture, is_table
from striate.data.sources.table_files import PICTURE_COLUMNS, check_heads, column, read_sheet
from striate.data.sources.table_labels import LABEL_COLUMNS, SEVERAL, read_labels
from striate.data.sources.trees import Tree
from striate.errors import DataError, PictureError
from striate.show.names import listed, printable


def table_in(tree: Tree) -> str | None:
    """The table of a folder: metadata.csv or the like, else the only one that names pictures; or None.

    Parameters
    ----------
    tree
        the folder or archive
    """
    tables = sorted(name for name in tree.entries() if "/" not in name and is_table(name))
    named = [name for name in tables if name.lower().startswith("metadata.")]
    if len(named) == 1:
        return named[0]
    if any("/" in name and is_picture(name) for name in tree.entries()):  # beside class folders may lie other lists
        told_by_folders = len(_class_folders(tree)) > 1
        tables = [name for name in tables if _names_pictures(tree, name, told_by_folders)]
    if len(tables) > 1:
        raise DataError(
            f"a folder must have one table, or one called metadata.csv, but {printable(tree.where)} has "
            f"{listed(tables)}; give the path of one"
        )
    return tables[0] if tables else None


def _class_folders(tree: Tree) -> set[str]:
    """The folders that would be classes if there were no table."""
    folders = (name.split("/")[:-1] for name in tree.entries() if is_picture(name))
    inside = (parts[1:] if parts and parts[0].lower() in SPLIT_NAMES else parts for parts in folders)
    return {parts[0] for parts in inside if parts}


def _names_pictures(tree: Tree, name: str, told_by_folders: bool) -> bool:
    """Whether a table has a column of pictures; where folders tell the classes, it must also be a table of labels."""
    try:
        sheet = read_sheet(tree, name)
        if not column(sheet, PICTURE_COLUMNS):
            check_heads(sheet)
            return False
        if told_by_folders and not column(sheet, (*LABEL_COLUMNS, SEVERAL)):
            read_labels(sheet, mixed=False)
    except (DataError, PictureError) as error:
        if not told_by_folders:
            raise
        tree.notes.append(f"{printable(name)} is not used, for folders tell the classes, and it is no table: {error}")
        return False
    return True
