"""The import-linter contract that import-linter has no word for: independence with room for a folder's shared code."""

from __future__ import annotations

from typing import Any

from importlinter import Contract, ContractCheck, fields, output


class PlugInsContract(Contract):
    """No module of a folder reaches a sibling, directly or through others; ``_names`` are the folder's shared code.

    A folder that does not exist yet is passed over, so that the list may name all that the house foresees.
    """

    type_name = "plug_ins"

    folders = fields.ListField(subfield=fields.StringField())

    def check(self, graph: Any, verbose: bool) -> ContractCheck:
        found = set()
        for folder in self.folders:
            children = graph.find_children(folder) if folder in graph.modules else set()
            plug_ins = {child for child in children if not child.rpartition(".")[2].startswith("_")}
            found |= graph.find_illegal_dependencies_for_layers(layers=[plug_ins])
        pairs = sorted((dependency.importer, dependency.imported) for dependency in found)
        return ContractCheck(kept=not pairs, metadata={"pairs": pairs})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported in check.metadata["pairs"]:
            output.print_error(f"{importer} must not know {imported}: move what both need into a _module beside them.")
